"""The reader of imports that the architecture is checked with sees what it must see."""

from __future__ import annotations

from pathlib import Path

from tests.support.imports import Module, find_cycle, is_within, read_package


def package(root: Path, **sources: str) -> dict[str, Module]:
    """Write a package `shop` with the given modules, named by their path, and read it."""
    for name, source in sources.items():
        path = root / "shop" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return read_package(root / "shop")


def imports_of(modules: dict[str, Module], name: str) -> set[str]:
    return modules[name].imports(modules)


def test_a_name_from_a_package_is_its_submodule_where_there_is_one(tmp_path: Path) -> None:
    modules = package(tmp_path, till="from shop import stock, owner", stock="", __init__="owner = 1")
    assert imports_of(modules, "shop.till") == {"shop.stock", "shop"}


def test_relative_imports_are_resolved(tmp_path: Path) -> None:
    modules = package(
        tmp_path, **{"a/b": "from . import c\nfrom ..d import e\nfrom .. import f", "a/c": "", "d": "", "f": ""}
    )
    assert imports_of(modules, "shop.a.b") == {"shop.a.c", "shop.d", "shop.f"}


def test_relative_imports_in_an_init_start_at_its_own_package(tmp_path: Path) -> None:
    modules = package(tmp_path, **{"a/__init__": "from .b import c", "a/b": "c = 1"})
    assert imports_of(modules, "shop.a") == {"shop.a.b"}


def test_imports_inside_functions_count(tmp_path: Path) -> None:
    modules = package(tmp_path, a="def f():\n    import os.path\n    from grpc import aio")
    assert imports_of(modules, "shop.a") == {"os.path", "grpc.aio"}


def test_attributes_of_modules_are_seen(tmp_path: Path) -> None:
    modules = package(tmp_path, a="import os\nx = os.environ['HOME']")
    assert "os.environ" in modules["shop.a"].attributes


def test_a_cycle_is_found_and_named(tmp_path: Path) -> None:
    modules = package(tmp_path, a="from shop import b", b="def f():\n    from shop.c import x", c="import shop.a")
    assert sorted(set(find_cycle(modules))) == ["shop.a", "shop.b", "shop.c"]


def test_a_package_may_gather_names_of_its_submodules(tmp_path: Path) -> None:
    modules = package(tmp_path, __init__="from shop.a import x", a="from shop import b", b="")
    assert find_cycle(modules) == []


def test_a_longer_name_is_not_within_a_shorter_one() -> None:
    assert is_within("grpc", {"grpc"})
    assert is_within("grpc.aio", {"grpc"})
    assert not is_within("grpc_health", {"grpc"})
