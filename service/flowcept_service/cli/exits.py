"""Exit codes: documented, and stable."""

from __future__ import annotations

from flowcept.errors import (
    CancelledError,
    FlowceptError,
    IntegrityError,
    InvalidArgumentError,
    NotFoundError,
    Reason,
    UnavailableError,
)

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_UNAVAILABLE = 5
EXIT_INTEGRITY = 6
EXIT_INTERRUPTED = 130


def exit_code(error: FlowceptError) -> int:
    """The exit code that an error ends a command with."""
    if isinstance(error, CancelledError):
        return EXIT_INTERRUPTED
    if isinstance(error, NotFoundError):
        return EXIT_NOT_FOUND
    if isinstance(error, IntegrityError):
        return EXIT_INTEGRITY
    if isinstance(error, InvalidArgumentError):
        return EXIT_USAGE
    if error.reason is Reason.STORAGE_IN_USE or isinstance(error, UnavailableError):
        return EXIT_UNAVAILABLE
    return EXIT_FAILURE
