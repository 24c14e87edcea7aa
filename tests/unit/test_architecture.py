"""Who may import whom. Each rule names its offenders, so that the remedy is to move code, not to change the rule."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from tests.support.imports import Module, find_cycle, is_within, read_package

ROOT = Path(__file__).resolve().parents[2]
STUBS = "flowcept.v1"
MODULES = {
    **read_package(ROOT / "client" / "flowcept"),
    **read_package(ROOT / "service" / "flowcept_service"),
}
WRITTEN = {name: module for name, module in MODULES.items() if not is_within(name, [STUBS])}
"""All modules but the generated ones."""

LAYERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "flowcept": (
        ("cli",),
        ("capture", "compute", "consumers", "db", "filesystem"),
        ("transport",),
        ("*",),
        ("v1",),
        ("errors",),
    ),
    "flowcept_service": (
        ("__main__",),
        ("cli",),
        ("server",),
        ("config", "rpc"),
        ("blobs", "events", "provenance", "replication"),
        ("*",),
        ("storage",),
        ("query",),
        ("affinity", "domain", "periodic"),
    ),
    "flowcept_service.storage.lmdb": (("check", "offline"), ("*",), ("_log", "_payloads"), ("_environment",)),
    "flowcept_service.storage.mongodb": (("*",), ("_payloads",), ("_commit",), ("_connection",)),
}
"""Highest first; `*` is every part without a place of its own. A module imports from its own part, from lower layers,
and from its own layer unless the two are rivals."""

RIVALS = {"blobs", "events", "provenance", "replication", "rpc"}
"""Parts that know nothing of the others in their layer; the composition root joins them."""

SHARED_WITH_THE_SERVICE = (
    "flowcept.codec",
    "flowcept.config_loading",
    "flowcept.config_values",
    "flowcept.errors",
    "flowcept.framing",
    "flowcept.grpc_log",
    "flowcept.plain",
    "flowcept.status",
    STUBS,
)

OWNERS = {
    "grpc": ("flowcept.transport", "flowcept_service.rpc", "flowcept_service.server"),
    "grpc_health": ("flowcept.transport", "flowcept_service.rpc", "flowcept_service.server"),
    "grpc_reflection": ("flowcept_service.server",),
    "prometheus_client": ("flowcept_service.server.metrics",),  # others tell it through protocols of their own
    # An extra: whoever names it must do without it.
    "opentelemetry": ("flowcept.transport._trace", "flowcept_service.server.tracing"),
    "gridfs": ("flowcept_service.storage.mongodb",),
    "pymongo": ("flowcept_service.storage.mongodb",),
    "lmdb": ("flowcept_service.storage.lmdb",),
    "rich": ("flowcept.cli", "flowcept_service.cli"),
    "cryptography": ("flowcept_service.security",),
    "jwt": ("flowcept_service.security",),
    "click": ("flowcept.cli", "flowcept_service.cli"),
    "dask": ("flowcept.compute.cluster_memory",),
    "distributed": ("flowcept.compute.cluster_memory",),
    "fsspec": ("flowcept.filesystem",),
    "ray": ("flowcept.compute.cluster_memory",),
    "structlog": ("flowcept_service",),
    # grpc_log: gRPC's core has no other way to be told.
    "os.environ": ("flowcept.config", "flowcept.grpc_log", "flowcept_service.config"),
    "os.getenv": ("flowcept.config", "flowcept_service.config"),
    "os.putenv": (),
}
"""The only places that know a dependency: everything else speaks of it through them."""

FREE_OF_PROTOBUF = ("flowcept_service.domain", "flowcept_service.query", "flowcept_service.storage", "flowcept.errors")
STORES = ("flowcept_service.storage.lmdb", "flowcept_service.storage.mongodb", "flowcept_service.storage.memory")
LONGEST_FILE = 500
LONGEST_CONTRACT = 200
OWN_CODE = ("client", "service", "tests", "bench", "examples", "helm", "protos")


def assert_free_of(
    forbidden: Collection[str], modules: Iterable[Module], reason: str, allowed: Collection[str] = ()
) -> None:
    """Fail and list each use of a forbidden name."""
    uses = [
        f"{module.name} uses {used}"
        for module in modules
        for used in sorted(module.imports(MODULES) | module.attributes)
        if is_within(used, forbidden) and not is_within(used, allowed)
    ]
    assert not uses, f"{reason}:\n" + "\n".join(uses)


def within(*packages: str) -> list[Module]:
    """Return the written modules of some packages."""
    return [module for name, module in WRITTEN.items() if is_within(name, packages)]


def outside(packages: Collection[str]) -> list[Module]:
    """Return the written modules that lie in none of some packages."""
    return [module for name, module in WRITTEN.items() if not is_within(name, packages)]


def layer_and_part(package: str, name: str) -> tuple[int, str]:
    """Return the index of a module's layer (0 is the highest) and the part of the package that it belongs to."""
    part = name.removeprefix(f"{package}.").partition(".")[0]
    place = {known: index for index, parts in enumerate(LAYERS[package]) for known in parts}
    return place.get(part, place["*"]), part


@pytest.mark.parametrize("package", LAYERS)
def test_imports_point_downwards(package: str) -> None:
    wrong = []
    for module in WRITTEN.values():
        if not is_within(module.name, [package]) or module.name == package:
            continue  # the package itself only gathers names
        layer, part = layer_and_part(package, module.name)
        for imported in sorted(module.imports(MODULES)):
            if not is_within(imported, [package]):
                continue
            if imported == package:
                wrong.append(f"{module.name} imports {package} itself; import the module that has the name")
                continue
            lower, other = layer_and_part(package, imported)
            if lower < layer or (lower == layer and other != part and {part, other} & RIVALS):
                wrong.append(f"{module.name} imports {imported}")
    assert not wrong, "\n".join(wrong)


def test_there_are_no_import_cycles() -> None:
    assert find_cycle(WRITTEN) == []


def test_the_client_does_not_import_the_service() -> None:
    assert_free_of({"flowcept_service"}, within("flowcept"), "the client works without a server beside it")


def test_the_service_shares_only_the_contract_with_the_client() -> None:
    reason = f"only {SHARED_WITH_THE_SERVICE} are shared"
    assert_free_of({"flowcept"}, within("flowcept_service"), reason, allowed=SHARED_WITH_THE_SERVICE)


@pytest.mark.parametrize("dependency", OWNERS)
def test_a_dependency_is_known_in_one_place(dependency: str) -> None:
    owners = OWNERS[dependency]
    assert_free_of({dependency}, outside(owners), f"{dependency} belongs to {owners}")


def test_generated_services_are_known_only_where_grpc_is() -> None:
    services = {name for name in MODULES if name.endswith("_pb2_grpc")}
    assert services
    assert_free_of(services, outside(OWNERS["grpc"]), "they import grpc")


def test_domain_query_and_storage_know_no_protobuf() -> None:
    assert_free_of({"google.protobuf", STUBS}, within(*FREE_OF_PROTOBUF), "converters belong into rpc")


@pytest.mark.parametrize("store", STORES)
def test_only_the_composition_root_names_a_store(store: str) -> None:
    assert_free_of({store}, outside((store, "flowcept_service.server")), "others know the storage contract")


def test_the_error_tree_needs_only_the_standard_library() -> None:
    roots = {name.partition(".")[0] for name in MODULES["flowcept.errors"].imports(MODULES)}
    assert roots <= sys.stdlib_module_names


def test_files_stay_readable() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for directory in OWN_CODE
        for path in (ROOT / directory).rglob("*.py")
        if not path.name.endswith(("_pb2.py", "_pb2_grpc.py"))
    }
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_the_storage_contract_is_read_in_one_go() -> None:
    contract = ROOT / "service" / "flowcept_service" / "storage" / "contract.py"
    assert len(contract.read_text(encoding="utf-8").splitlines()) < LONGEST_CONTRACT


@pytest.mark.parametrize("name", ["utils", "util", "helpers", "common", "misc"])
def test_no_module_is_named_after_nothing(name: str) -> None:
    assert [module for module in WRITTEN if module.rpartition(".")[2].strip("_") == name] == []
