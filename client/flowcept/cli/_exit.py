"""Exit codes: documented, and stable."""

from __future__ import annotations

from enum import IntEnum

from flowcept.errors import (
    DeadlineError,
    FlowceptError,
    IntegrityError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)


class ExitCode(IntEnum):
    """What the command's exit status says."""

    OK = 0
    FAILED = 1
    """Refused, or a transfer failed or was done in part."""
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    """Authentication or permission."""
    UNAVAILABLE = 5
    """The service is away, or did not answer in time."""
    INTEGRITY = 6
    """Bytes do not match their digest."""
    INTERRUPTED = 130


_CODES: tuple[tuple[type[FlowceptError], ExitCode], ...] = (
    (InvalidArgumentError, ExitCode.USAGE),
    (NotFoundError, ExitCode.NOT_FOUND),
    (UnauthenticatedError, ExitCode.DENIED),
    (PermissionDeniedError, ExitCode.DENIED),
    (UnavailableError, ExitCode.UNAVAILABLE),
    (DeadlineError, ExitCode.UNAVAILABLE),
    (IntegrityError, ExitCode.INTEGRITY),
)


def exit_code(error: FlowceptError) -> ExitCode:
    """The exit code for an error."""
    return next((code for cls, code in _CODES if isinstance(error, cls)), ExitCode.FAILED)
