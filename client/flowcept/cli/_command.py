"""Commands whose help teaches: examples keep their lines."""

from __future__ import annotations

import inspect
from typing import Any

import click

_VERBATIM = ("Examples:", "Exit codes:")
_KEEP_LINES = "\b\n"  # how click marks a paragraph that it must not fill


def _taught(text: str | None) -> str | None:
    if text is None:
        return None
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        _KEEP_LINES + paragraph if paragraph.startswith(_VERBATIM) else paragraph for paragraph in paragraphs
    )


class Command(click.Command):
    """A command; the paragraphs ``Examples:`` and ``Exit codes:`` of its docstring are shown as they are written."""

    def __init__(self, name: str | None, *, help: str | None = None, **options: Any) -> None:
        super().__init__(name, help=_taught(help), **options)


class Group(click.Group):
    """A group, with the same care for its docstring."""

    command_class = Command

    def __init__(
        self, name: str | None = None, *, help: str | None = None, epilog: str | None = None, **options: Any
    ) -> None:
        super().__init__(name, help=_taught(help), epilog=_taught(epilog), **options)
