"""What the commands on the files of an embedded store share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from flowcept.errors import FlowceptError
from flowcept_service.cli.exits import exit_code
from flowcept_service.config import STORES, ServiceSettings

Command = TypeVar("Command", bound=Callable[..., Any])


def store_options(command: Command) -> Command:
    """The options of a command that works on a store's files."""
    for option in (
        click.option("--quiet", is_flag=True, help="No progress, also on a terminal."),
        click.option("--json", "as_json", is_flag=True, help="The result as one line of JSON."),
        click.option("--store", metavar="|".join(STORES), help="Where the data is kept.  [lmdb]"),
        click.option("--data-dir", metavar="DIR", help="Directory of the embedded store.  [flowcept-data]"),
    ):
        command = option(command)
    return command


@contextmanager
def reported(command: str) -> Iterator[None]:
    """Inside, an error of ours becomes a line on stderr and an exit code."""
    from flowcept_service.config import LogOptions
    from flowcept_service.server.logs import configure_logging

    configure_logging(LogOptions(level="error"))
    try:
        yield
    except FlowceptError as error:
        click.echo(f"flowcept-service {command}: {error.message}", err=True)
        sys.exit(exit_code(error))


def load_settings(data_dir: str | None, store: str | None) -> ServiceSettings:
    """The settings of the service, where the store is concerned.

    Raises:
        InvalidArgumentError: A setting is wrong.
    """
    return ServiceSettings.load(data_dir=data_dir, store=store)
