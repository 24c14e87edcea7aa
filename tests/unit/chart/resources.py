"""Finding one's way in rendered resources."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Resource = dict[str, Any]


def of_kind(resources: Iterable[Resource], kind: str) -> list[Resource]:
    """The resources of a kind."""
    return [resource for resource in resources if resource["kind"] == kind]


def only(resources: Iterable[Resource], kind: str) -> Resource:
    """The one resource of a kind."""
    (resource,) = of_kind(resources, kind)
    return resource


def kinds(resources: Iterable[Resource]) -> set[str]:
    """The kinds that there are."""
    return {resource["kind"] for resource in resources}


def workload(resources: Iterable[Resource]) -> Resource:
    """The StatefulSet or Deployment, whichever there is."""
    (resource,) = (resource for resource in resources if resource["kind"] in {"StatefulSet", "Deployment"})
    return resource


def pod_spec(resources: Iterable[Resource]) -> Resource:
    """The specification of the service's pods."""
    spec: Resource = workload(resources)["spec"]["template"]["spec"]
    return spec


def container(resources: Iterable[Resource]) -> Resource:
    """The service's container."""
    (found,) = pod_spec(resources)["containers"]
    return dict(found)


def settings(resources: Iterable[Resource]) -> dict[str, str]:
    """The settings that the service gets as plain values, without their prefix."""
    prefix = "FLOWCEPT_SERVICE_"
    return {
        entry["name"].removeprefix(prefix): entry["value"]
        for entry in container(resources)["env"]
        if entry["name"].startswith(prefix) and "value" in entry
    }


def mounts(resources: Iterable[Resource]) -> dict[str, Resource]:
    """What is mounted where: volumes by path."""
    resources = list(resources)
    volumes = {volume["name"]: volume for volume in pod_spec(resources)["volumes"]}
    claims = {claim["metadata"]["name"]: claim for claim in workload(resources)["spec"].get("volumeClaimTemplates", ())}
    return {mount["mountPath"]: {**claims, **volumes}[mount["name"]] for mount in container(resources)["volumeMounts"]}
