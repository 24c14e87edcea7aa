"""Errors as ``google.rpc.Status``, and back: the one table between error classes and status codes.

Codes are plain numbers, the same in every gRPC library, so this module needs no gRPC. A status travels in the trailing
metadata under ``DETAILS_KEY`` and carries a ``google.rpc.ErrorInfo`` (and a ``BadRequest`` where a field is at fault).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from flowcept.errors import (
    AlreadyExistsError,
    CancelledError,
    DeadlineError,
    FlowceptError,
    IntegrityError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    PreconditionError,
    Reason,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
    VersionConflictError,
)

DETAILS_KEY = "grpc-status-details-bin"
"""Key of the trailing metadata whose value is a serialized ``google.rpc.Status``."""

DOMAIN = "flowcept"
"""``ErrorInfo.domain`` of our reasons."""

# Trailers are bounded to 8 KiB by default in gRPC's implementations; the message travels in them twice, once
# percent-encoded (three bytes for one) and once in base64.
_MESSAGE_LIMIT = 700
_VALUE_LIMIT = 300
_METADATA_LIMIT = 12


class Code(IntEnum):
    """The status codes of gRPC (``google.rpc.Code``)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


CODES: Mapping[type[FlowceptError], Code] = MappingProxyType(
    {
        InvalidArgumentError: Code.INVALID_ARGUMENT,
        NotFoundError: Code.NOT_FOUND,
        AlreadyExistsError: Code.ALREADY_EXISTS,
        VersionConflictError: Code.ABORTED,
        OutOfRangeError: Code.OUT_OF_RANGE,
        IntegrityError: Code.DATA_LOSS,
        PreconditionError: Code.FAILED_PRECONDITION,
        ResourceExhaustedError: Code.RESOURCE_EXHAUSTED,
        UnavailableError: Code.UNAVAILABLE,
        DeadlineError: Code.DEADLINE_EXCEEDED,
        UnauthenticatedError: Code.UNAUTHENTICATED,
        PermissionDeniedError: Code.PERMISSION_DENIED,
        UnsupportedError: Code.UNIMPLEMENTED,
        CancelledError: Code.CANCELLED,
        InternalError: Code.INTERNAL,
    }
)
"""The code of each error class; read backwards, the class of each code."""

_CLASSES: Mapping[int, type[FlowceptError]] = MappingProxyType({int(code): cls for cls, code in CODES.items()})

# Codes that gRPC itself, a proxy or a gateway sends without our details, where the class's own reason is what they
# mean. For the others (an ABORTED that is not ours, say) the reason stays unspecified.
_FOREIGN_REASONS: Mapping[type[FlowceptError], Reason] = MappingProxyType(
    {
        cls: cls.default_reason
        for cls in (
            UnavailableError,
            DeadlineError,
            CancelledError,
            UnauthenticatedError,
            PermissionDeniedError,
            UnsupportedError,
            InternalError,
        )
    }
)

# How gRPC words a connection that broke under a call, which it reports as INTERNAL or UNKNOWN though a retry is right.
_BROKEN_CONNECTION = ("RST_STREAM", "GOAWAY", "Stream removed", "Socket closed", "Connection reset")
# What a foreign peer must not smuggle into the constructor of an error as if it were metadata.
_PARAMETERS = frozenset({"self", "message", "reason"})
_MESSAGE_TOO_LARGE = ("larger than max", "exceeds maximum", "exceeds limit")


def code_of(error: FlowceptError) -> Code:
    """The status code of an error: that of the nearest class of the table."""
    for cls in type(error).__mro__:
        if cls in CODES:
            return CODES[cls]
    return Code.UNKNOWN


def message_of(error: FlowceptError) -> str:
    """The message of an error, short enough for a trailer."""
    return _clip(error.message, _MESSAGE_LIMIT)


def encode_status(error: FlowceptError) -> bytes:
    """The error as a serialized ``google.rpc.Status``, for ``DETAILS_KEY``."""
    status = status_pb2.Status(code=int(code_of(error)), message=message_of(error))
    info = error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN)
    for key, value in list(error.metadata.items())[:_METADATA_LIMIT]:
        info.metadata[key] = _clip(value, _VALUE_LIMIT)
    status.details.add().Pack(info)
    field = error.metadata.get("field")
    if field and isinstance(error, InvalidArgumentError):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_clip(field, _VALUE_LIMIT), description=status.message
        )
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    data: bytes = status.SerializeToString()
    return data


def decode_status(code: int, message: str, details: bytes | None) -> FlowceptError:
    """The error that a failed call stands for.

    Args:
        code: The status code.
        message: The status message.
        details: The value of ``DETAILS_KEY``, or None.

    A status that carries no details of ours (made by gRPC itself, a proxy, another server) becomes the error that a
    caller can act upon: a connection that broke is UnavailableError, a message over the limit MESSAGE_TOO_LARGE.

    Raises:
        ValueError: The code is OK.
    """
    if code == Code.OK:
        raise ValueError("a call that ended with OK has no error")
    ours = _own_details(details)
    if ours is None:
        return _foreign_error(code, message)
    info, text, field = ours
    metadata: dict[str, object] = {key: value for key, value in info.metadata.items() if key not in _PARAMETERS}
    if field:
        metadata.setdefault("field", field)
    cls = _CLASSES.get(code, InternalError)
    return cls(text or message, reason=_reason(info.reason), **metadata)


def _own_details(details: bytes | None) -> tuple[error_details_pb2.ErrorInfo, str, str] | None:
    """Our ErrorInfo, the message and the field at fault; None when the details are not ours."""
    if not details:
        return None
    try:
        status = status_pb2.Status.FromString(details)
        found: error_details_pb2.ErrorInfo | None = None
        field = ""
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            bad_request = error_details_pb2.BadRequest()
            if detail.Unpack(info) and info.domain == DOMAIN:
                found = info
            elif detail.Unpack(bad_request) and bad_request.field_violations:
                field = bad_request.field_violations[0].field
    except DecodeError:
        # Damaged details say nothing; the code and the message still do.
        return None
    return None if found is None else (found, status.message, field)


def _foreign_error(code: int, message: str) -> FlowceptError:
    text = message or f"the call failed with status {code} and no message"
    if code in (Code.INTERNAL, Code.UNKNOWN) and any(mark in message for mark in _BROKEN_CONNECTION):
        return UnavailableError(text)
    if code == Code.RESOURCE_EXHAUSTED and any(mark in message for mark in _MESSAGE_TOO_LARGE):
        return ResourceExhaustedError(
            f"{text}; a message is limited to 4 MiB: send large values as blobs", reason=Reason.MESSAGE_TOO_LARGE
        )
    cls = _CLASSES.get(code, InternalError)
    return cls(text, reason=_FOREIGN_REASONS.get(cls, Reason.UNSPECIFIED))


def _reason(name: str) -> Reason:
    try:
        return Reason(name)
    except ValueError:
        # A newer server may know reasons that this version does not; then the status code alone speaks.
        return Reason.UNSPECIFIED


def _clip(text: str, limit: int) -> str:
    """At most ``limit`` bytes of UTF-8, whole characters; what cannot be encoded is replaced."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode("utf-8")
    return data[: limit - 3].decode("utf-8", "ignore") + "…"
