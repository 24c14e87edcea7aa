"""Deleting what is named on the command line, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowcept.cli._exit import ExitCode, exit_code
from flowcept.cli._session import Session
from flowcept.errors import FlowceptError, UnavailableError


def delete_each(session: Session, names: Sequence[str], delete: Callable[[str], tuple[Mapping[str, Any], str]]) -> int:
    """Try each; the exit code: of the failures where all failed alike, 1 if only some could be deleted.

    Args:
        session: Prints results and errors.
        names: What to delete.
        delete: Deletes one; what to print of it, as JSON and for a person.

    Raises:
        UnavailableError: The service is away.
    """
    failures: list[FlowceptError] = []
    for name in names:
        try:
            result, text = delete(name)
        except UnavailableError:
            raise  # the others would fail alike, after as long a wait
        except FlowceptError as error:
            session.error(error)
            failures.append(error)
        else:
            session.result(result, text)
    if not failures:
        return ExitCode.OK
    codes = {exit_code(error) for error in failures}
    return codes.pop() if len(codes) == 1 and len(failures) == len(names) else ExitCode.FAILED
