"""What the modules of a package import, read from their source without running it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: its absolute name, what it imports (inside functions too) and which attributes it reads."""

    name: str
    references: frozenset[tuple[str, str]]
    """Pairs of `from source import name`, absolute; the name is empty for `import source`."""
    attributes: frozenset[str]
    """Expressions of the form `name.attribute`, such as `os.environ`."""

    def imports(self, modules: Collection[str]) -> set[str]:
        """Return the absolute names imported: a module where the name is one of `modules`, else what is asked of it.

        Within `modules`, `from a import b` is an import of `a.b` if that is a module and of `a` if not; outside it is
        always `a.b`.
        """
        return {self._resolve(source, name, modules) for source, name in self.references} - {self.name}

    @staticmethod
    def _resolve(source: str, name: str, modules: Collection[str]) -> str:
        full_name = f"{source}.{name}" if name else source
        return source if source in modules and full_name not in modules else full_name


def read_package(directory: Path) -> dict[str, Module]:
    """Return the modules of the package in `directory`, by absolute name."""
    return {module.name: module for module in (_read(path, directory.parent) for path in directory.rglob("*.py"))}


def find_cycle(modules: Mapping[str, Module]) -> list[str]:
    """Return the names along one import cycle, the first one repeated at the end; empty if there is none."""
    graph = {name: module.imports(modules) & modules.keys() for name, module in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return []


def is_within(name: str, packages: Collection[str]) -> bool:
    """Whether a dotted name is one of `packages` or lies in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _read(path: Path, root: Path) -> Module:
    parts = path.relative_to(root).with_suffix("").parts
    package = ".".join(parts[:-1])
    name = package if parts[-1] == "__init__" else ".".join(parts)
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return Module(name, frozenset(_references(tree, package)), frozenset(_attributes(tree)))


def _references(tree: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(node, package)
            yield from ((source, alias.name) for alias in node.names)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module that `from ...module import` in `package` means: one dot is the package, two are its parent."""
    if node.level == 0:
        return node.module or ""
    base = package.split(".")
    base = base[: len(base) - (node.level - 1)]
    return ".".join([*base, node.module] if node.module else base)


def _attributes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
