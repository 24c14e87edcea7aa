"""``flowcept health``."""

from __future__ import annotations

import time
from importlib.metadata import PackageNotFoundError, distribution

import click

from flowcept.cli._command import Command
from flowcept.cli._session import Session, json_option, pass_session
from flowcept.errors import UnavailableError


@click.command(cls=Command)
@json_option
@pass_session
def health(session: Session) -> None:
    """Say whether the service answers and is ready.

    Exit code 0 if it is ready, 5 if it cannot be reached or is not ready.

    Examples:
      flowcept health
      flowcept --target flowcept.example.org:50051 --tls health --json
    """
    _warn_of_the_library(session)
    target = session.settings.target
    started = time.perf_counter()
    if not session.db.connection.is_serving():
        raise UnavailableError(
            f"the service at {target} is not ready: it is starting, shutting down, or without its database",
            target=target,
        )
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    session.result(
        {"target": target, "serving": True, "milliseconds": milliseconds},
        f"{target} is ready ({milliseconds} ms)",
    )


def _warn_of_the_library(session: Session) -> None:
    """Two distributions with one import package overwrite each other's files."""
    try:
        library = distribution("flowcept")
    except PackageNotFoundError:
        return
    session.warn(
        f"the distribution 'flowcept' {library.version} is installed beside 'flowcept-service'; both bring the package "
        "'flowcept'. Uninstall both, then install 'flowcept-service' alone"
    )
