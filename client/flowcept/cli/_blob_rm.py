"""``flowcept blob rm``."""

from __future__ import annotations

from typing import Any

import click

from flowcept.cli._command import Command
from flowcept.cli._deletions import delete_each
from flowcept.cli._session import Session, json_option, pass_session


@click.command(cls=Command, short_help="Delete objects.")
@click.argument("object_ids", metavar="OBJECT_ID...", nargs=-1, required=True)
@click.option("--expected-version", type=click.IntRange(0), metavar="N", help="Only if N is the latest version.")
@json_option
@pass_session
def rm(session: Session, object_ids: tuple[str, ...], expected_version: int | None) -> int:
    """Delete objects. Refused where every version is kept: history is append-only.

    With several objects each is tried; exit code 1 if only some could be deleted.

    Examples:
      flowcept blob rm scratch-1 scratch-2
      flowcept blob rm my-data --expected-version 4
    """

    def delete(object_id: str) -> tuple[dict[str, Any], str]:
        blob = session.db.delete_object(object_id, expected_version)
        return blob.to_dict(), f"{blob.object_id}  version {blob.version}  deleted"

    return delete_each(session, object_ids, delete)
