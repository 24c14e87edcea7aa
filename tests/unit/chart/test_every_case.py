"""What holds for the chart whatever its values are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowcept_service.config import settings_table
from tests.support.kubernetes import LATEST, problems
from tests.unit.chart.cases import CASES
from tests.unit.chart.resources import Resource, container, of_kind, only, pod_spec, workload

Render = Callable[[str], list[Resource]]
CUSTOM = {"GRPCRoute", "PrometheusRule", "ServiceMonitor"}
"""Kinds that Kubernetes itself does not have; tests of their own look at them."""
pytestmark = pytest.mark.parametrize("case", CASES)


@pytest.mark.parametrize("version", LATEST)
def test_kubernetes_accepts_every_field(rendered: Render, case: str, version: str) -> None:
    resources = [resource for resource in rendered(case) if resource["kind"] not in CUSTOM]

    assert {resource["kind"]: found for resource in resources if (found := problems(resource, version))} == {}


def test_names_and_namespaces_are_the_release_s(rendered: Render, case: str) -> None:
    resources = rendered(case)

    assert {resource["metadata"]["namespace"] for resource in resources} == {"science"}
    assert all(label in resource["metadata"]["labels"] for resource in resources for label in RECOMMENDED_LABELS)
    names = [(resource["kind"], resource["metadata"]["name"]) for resource in resources]
    assert len(names) == len({*names})


RECOMMENDED_LABELS = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
)


def matches(selector: dict[str, str], resource: Resource) -> bool:
    labels: dict[str, str] = resource["metadata"]["labels"]
    return selector.items() <= labels.items()


def test_whatever_selects_pods_selects_the_service_s_and_not_the_test_s(rendered: Render, case: str) -> None:
    resources = rendered(case)
    template = workload(resources)["spec"]["template"]
    selectors = [service["spec"]["selector"] for service in of_kind(resources, "Service")]
    selectors += [
        resource["spec"]["selector"]["matchLabels"]
        for resource in resources
        if resource["kind"] in {"Deployment", "StatefulSet", "PodDisruptionBudget"}
    ]
    selectors += [policy["spec"]["podSelector"]["matchLabels"] for policy in of_kind(resources, "NetworkPolicy")]

    assert all(matches(selector, template) for selector in selectors)
    assert not any(matches(selector, pod) for selector in selectors for pod in of_kind(resources, "Pod"))


def test_every_volume_is_mounted_and_every_mount_has_its_volume(rendered: Render, case: str) -> None:
    resources = rendered(case)
    for spec in (pod_spec(resources), *(pod["spec"] for pod in of_kind(resources, "Pod"))):
        volumes = {volume["name"] for volume in spec["volumes"]}
        if spec is pod_spec(resources):
            claims = workload(resources)["spec"].get("volumeClaimTemplates", ())
            volumes |= {claim["metadata"]["name"] for claim in claims}
        (only_container,) = spec["containers"]
        assert {mount["name"] for mount in only_container["volumeMounts"]} == volumes


def test_pods_meet_the_restricted_security_standard(rendered: Render, case: str) -> None:
    resources = rendered(case)
    for spec in (pod_spec(resources), *(pod["spec"] for pod in of_kind(resources, "Pod"))):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not [volume for volume in spec["volumes"] if "hostPath" in volume]
        (only_container,) = spec["containers"]
        assert only_container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_secrets_are_mounted_as_directories_since_kubernetes_never_renews_a_single_file(
    rendered: Render, case: str
) -> None:
    resources = rendered(case)

    assert not [mount for mount in container(resources)["volumeMounts"] if "subPath" in mount]


def test_the_grace_period_is_longer_than_what_happens_in_it(rendered: Render, case: str) -> None:
    resources = rendered(case)
    environment = {entry["name"]: entry.get("value") for entry in container(resources)["env"]}
    pause = container(resources)["lifecycle"]["preStop"]["sleep"]["seconds"]

    closing = 15  # what a commit to a database that is away gets
    drain = float(environment["FLOWCEPT_SERVICE_DRAIN_SECONDS"] or 0)
    assert pod_spec(resources)["terminationGracePeriodSeconds"] > pause + drain + closing


def test_every_setting_is_one_of_the_service_and_is_given_once(rendered: Render, case: str) -> None:
    names = [entry["name"] for entry in container(rendered(case))["env"]]

    assert len(names) == len({*names})
    assert {name for name in names if name.startswith("FLOWCEPT_")} <= {row.env for row in settings_table()}


def test_probes_are_asked_in_plain_text_on_a_port_of_their_own(rendered: Render, case: str) -> None:
    service = container(rendered(case))
    (port,) = (port["containerPort"] for port in service["ports"] if port["name"] == "health")
    asked = {name: service[f"{name}Probe"]["grpc"] for name in ("startup", "readiness", "liveness")}

    assert asked == {
        "startup": {"port": port, "service": "liveness"},
        "readiness": {"port": port, "service": "readiness"},
        "liveness": {"port": port, "service": "liveness"},
    }


def test_both_services_lead_to_the_pods_grpc_port(rendered: Render, case: str) -> None:
    balanced, headless = sorted(of_kind(rendered(case), "Service"), key=lambda each: len(each["metadata"]["name"]))
    (port,) = (port["containerPort"] for port in container(rendered(case))["ports"] if port["name"] == "grpc")

    assert headless["spec"]["clusterIP"] == "None"
    assert headless["metadata"]["name"] == f"{balanced['metadata']['name']}-headless"
    assert "clusterIP" not in balanced["spec"]
    for service in (balanced, headless):
        (grpc,) = (entry for entry in service["spec"]["ports"] if entry["name"] == "grpc")
        assert (grpc["appProtocol"], grpc["targetPort"]) == ("grpc", "grpc")
        if service is headless:
            assert grpc["port"] == port


def test_the_named_service_account_exists_and_gives_no_token(rendered: Render, case: str) -> None:
    resources = rendered(case)
    account: dict[str, Any] = only(resources, "ServiceAccount")

    assert pod_spec(resources)["serviceAccountName"] == account["metadata"]["name"]
    assert account["automountServiceAccountToken"] is False
