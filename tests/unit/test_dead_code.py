"""Nothing private is left over: what only its own folder may use, its own folder uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(
    {
        path.parent
        for package in ("client/flowcept", "service/flowcept_service")
        for path in (ROOT / package).rglob("*.py")
        if path.parent != ROOT / "client/flowcept/v1"
    }
)
"""Those with written code; a private method may be for the classes beside its own, which inherit it."""


def defined(node: ast.AST, inside: str = "") -> Iterator[tuple[str, bool]]:
    """The private functions, methods and classes below a node, and whether each is a member of a class."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            if child.name.startswith("_") and not child.name.startswith("__"):
                yield child.name, inside == "class"
            yield from defined(child, "class" if isinstance(child, ast.ClassDef) else "function")
        else:
            yield from defined(child, inside)


def unused(folder: Path) -> list[str]:
    """The private definitions of a folder that nothing in it uses: members by their object, others by their name."""
    trees = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")}
    members = {node.attr for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found = []
    for file, tree in trees.items():
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        found += [
            f"{file}: {name}" for name, is_member in defined(tree) if name not in (members if is_member else names)
        ]
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_private_code_is_used_where_it_lies(folder: Path) -> None:
    assert unused(folder) == []


def test_code_that_nothing_uses_is_found(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text(
        "class Some:\n    def _dead(self): ...\n    def _used(self): ...\n    def go(self):\n        self._used()\n"
        "def _gone(): _dead\ndef _called(): ...\n_called()\n"
    )
    assert unused(tmp_path) == ["some.py: _dead", "some.py: _gone"]
