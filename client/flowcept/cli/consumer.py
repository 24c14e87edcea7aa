"""``flowcept consumer``: the durable consumers of the event log."""

from __future__ import annotations

from typing import Any

import click

from flowcept.cli._command import Group
from flowcept.cli._deletions import delete_each
from flowcept.cli._session import Session, json_option, pass_session


@click.group(cls=Group)
def consumer() -> None:
    """Delete durable consumers."""


@consumer.command(short_help="Delete durable consumers.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@json_option
@pass_session
def rm(session: Session, /, names: tuple[str, ...]) -> int:
    """Delete durable consumers that nobody needs any more: how far they have come is forgotten.

    Stop whoever reads under that name first, or it comes into being anew. With several names each is tried; exit code
    1 if only some could be deleted.

    Examples:
      flowcept consumer rm backup
    """

    def delete(name: str) -> tuple[dict[str, Any], str]:
        sequence = session.db.delete_consumer(name)
        return {"consumer": name, "sequence": sequence}, f"{name}  at sequence {sequence}  deleted"

    return delete_each(session, names, delete)
