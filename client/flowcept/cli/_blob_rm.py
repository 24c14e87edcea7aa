"""``flowcept blob rm``."""

from __future__ import annotations

import click

from flowcept.cli._command import Command
from flowcept.cli._exit import ExitCode, exit_code
from flowcept.cli._session import Session, json_option, pass_session
from flowcept.errors import FlowceptError, UnavailableError


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
    failures: list[FlowceptError] = []
    for object_id in object_ids:
        try:
            blob = session.db.delete_object(object_id, expected_version)
        except UnavailableError:
            raise  # the others would fail alike, after as long a wait
        except FlowceptError as error:
            session.error(error)
            failures.append(error)
        else:
            session.result(blob.to_dict(), f"{blob.object_id}  version {blob.version}  deleted")
    if not failures:
        return ExitCode.OK
    codes = {exit_code(error) for error in failures}
    return codes.pop() if len(codes) == 1 and len(failures) == len(object_ids) else ExitCode.FAILED
