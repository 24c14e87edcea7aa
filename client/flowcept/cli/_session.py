"""What one run of the command shares between its parts: settings, output, the connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from flowcept.config import ClientSettings
from flowcept.errors import FlowceptError
from flowcept.jsonlines import finite

if TYPE_CHECKING:
    from flowcept.db import DBAPI

Function = TypeVar("Function", bound=Callable[..., Any])


class Session:
    """One run of the command. Results go to stdout, everything else to stderr."""

    def __init__(self) -> None:
        self.overrides: dict[str, Any] = {}
        """Settings given as options."""
        self.json = False
        """Whether results are JSON."""
        self.quiet = False
        """Whether notes and progress are left out."""
        self._db: DBAPI | None = None

    @property
    def settings(self) -> ClientSettings:
        """The settings: options over environment over file.

        Raises:
            InvalidArgumentError: One is not valid.
        """
        return ClientSettings.load(**self.overrides)

    @property
    def db(self) -> DBAPI:
        """The service; connects on first use.

        Raises:
            InvalidArgumentError: A setting is not valid.
        """
        if self._db is None:
            # Here, because it brings gRPC, which help and completion do without.
            from flowcept.db import DBAPI

            self._db = DBAPI(self.settings)
        return self._db

    def close(self) -> None:
        """Close the connection."""
        if self._db is not None:
            self._db.close()

    def result(self, values: Mapping[str, Any], text: str | None = None) -> None:
        """Print one result: as a JSON object, or as a line of ``text`` (by default one for each value that is set)."""
        if self.json:
            self._line(values)
        elif text is not None:
            click.echo(printable(text))
        else:
            given = {printable(name): shown(value) for name, value in values.items() if value is not None}
            width = max((len(name) for name in given), default=0)
            for name, value in given.items():
                click.echo(f"{name:<{width}}  {value}")

    def rows(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
        """Print a list: a JSON object per line (all fields), or a table of ``columns``. Returns how many there were."""
        if self.json:
            count = 0
            for row in rows:
                self._line(row)
                count += 1
            return count
        cells = [[shown(row.get(column)) for column in columns] for row in rows]
        widths = [max(len(column), *(len(line[index]) for line in cells), 0) for index, column in enumerate(columns)]
        if cells:
            for line in ([column.upper() for column in columns], *cells):
                texts = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
                click.echo("  ".join(texts).rstrip())
        return len(cells)

    def note(self, text: str) -> None:
        """Tell a person something that is no result."""
        if not self.quiet:
            click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Tell a person what may be wrong."""
        click.echo(f"warning: {text}", err=True)

    def error(self, error: FlowceptError) -> None:
        """Print an error: with ``--json`` as an object with its reason and metadata."""
        if not self.json:
            click.echo(f"error: {error.message}", err=True)
            return
        fields = {"error": error.message, "reason": error.reason.value, "metadata": dict(error.metadata)}
        click.echo(json.dumps(fields, ensure_ascii=False), err=True)

    def _line(self, values: Mapping[str, Any]) -> None:
        given = {name: value for name, value in values.items() if value is not None}
        click.echo(_json(given))


pass_session = click.make_pass_decorator(Session)


def json_option(command: Function) -> Function:
    """The option ``--json``, the same for every command."""

    def remember(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        if value:
            context.ensure_object(Session).json = True

    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=remember,
        help="Print results as JSON: one object, or one per line for lists.",
    )(command)


def size_text(size: int | None) -> str:
    """A number of bytes for a person."""
    if size is None:
        return "?"
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def shown(value: object) -> str:
    """A value for a person."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return printable(", ".join(value)) or "-"
    if isinstance(value, Mapping | list | tuple):
        return _json(value)
    return printable(str(value))


def printable(text: str) -> str:
    """The text on one line, without what would steer a terminal: people choose names, and others see them."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain, allow_nan=False)
    except ValueError:  # NaN or an infinity, which would be no JSON
        return json.dumps(finite(value), ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
