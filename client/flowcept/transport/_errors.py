"""The one place where errors of gRPC become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from flowcept.errors import CancelledError, DeadlineError, FlowceptError, UnavailableError
from flowcept.status import DETAILS_KEY, Code, decode_status

_TLS_REMEDIES = {
    "CERTIFICATE_VERIFY_FAILED": (
        "its certificate is expired, or of an authority that is not trusted here: give the authority's certificate "
        "(FLOWCEPT_TLS_CA), or wait until the service has a new one"
    ),
    "Hostname Verification": (
        "its certificate is for another name: use that as the address, or say which name to expect "
        "(FLOWCEPT_TLS_SERVER_NAME)"
    ),
    "WRONG_VERSION_NUMBER": "it does not speak TLS: leave FLOWCEPT_TLS and its files out",
}
"""What to do, by what gRPC says of a connection that failed."""

_REMEDY = (
    "check that it runs, the address (FLOWCEPT_TARGET) and the TLS settings: a service that wants TLS (FLOWCEPT_TLS), "
    "or its clients' certificates (FLOWCEPT_TLS_CERT, FLOWCEPT_TLS_KEY), ends connections without a word"
)


def from_rpc_error(error: grpc.RpcError, target: str) -> FlowceptError:
    """The error that a failed call stands for."""
    if not isinstance(error, grpc.Call):
        return UnavailableError(f"the call to {target} failed: {error}")
    code = error.code()
    message = error.details() or ""
    details = next(
        (value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY and isinstance(value, bytes)),
        None,
    )
    number = int(code.value[0]) if code is not None else int(Code.UNKNOWN)
    if details is None and number == Code.UNAVAILABLE:
        remedy = next((remedy for sign, remedy in _TLS_REMEDIES.items() if sign in message), _REMEDY)
        return UnavailableError(f"the service at {target} cannot be reached ({message}); {remedy}", target=target)
    if details is None and number == Code.DEADLINE_EXCEEDED:
        return DeadlineError(
            f"the service at {target} gave no answer in time; check that it runs and the address (FLOWCEPT_TARGET), or "
            "wait longer for it (FLOWCEPT_TIMEOUT)",
            target=target,
        )
    return decode_status(number, message, details)


@contextmanager
def translated(target: str) -> Iterator[None]:
    """Raise our errors instead of gRPC's."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc_error(error, target) from None
    except ValueError as error:
        # gRPC has no class of its own for this one.
        if "closed channel" in str(error):
            raise CancelledError("the connection was closed by this program; make a new one") from None
        raise
