"""Checking resources against the schemas of Kubernetes, strictly: an unknown field is an error.

The schemas come with the package `kubernetes-validate`, for each minor version. Its own function reads all of them for
every resource; here each is read once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from kubernetes_validate.utils import all_versions, schema_contents
from referencing import Registry, Resource

LATEST = tuple(dict.fromkeys(all_versions()))[-6:]
"""The last six minor versions, the oldest first."""


def problems(resource: dict[str, Any], version: str) -> list[str]:
    """What is wrong with a resource in a version of Kubernetes, each with the path of the field."""
    validator = _validator(resource["apiVersion"], resource["kind"], version)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(resource)]


@cache
def _validator(api_version: str, kind: str, version: str) -> Draft202012Validator:
    group, _, name = api_version.rpartition("/")
    parts = [kind.lower(), *([group.partition(".")[0]] if group else []), name]
    schema = schema_contents(f"{_directory(version)}/{'-'.join(parts)}.json", version)
    return Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _definitions(version))


@cache
def _definitions(version: str) -> Registry[Any]:
    resource = Resource.from_contents(schema_contents(f"{_directory(version)}/_definitions.json", version))
    return resource @ Registry()


def _directory(version: str) -> str:
    return f"kubernetes-json-schema/v{version}-local-strict"
