"""The errors of Flowcept, without gRPC: the server raises them, the client re-raises the same class.

::

    FlowceptError
    ├── InvalidArgumentError (ValueError)       INVALID_ARGUMENT     bad input; nothing was changed
    ├── NotFoundError (ValueError, LookupError) NOT_FOUND            no such object, version, record or consumer
    ├── AlreadyExistsError                      ALREADY_EXISTS       ``must_not_exist`` and it does
    ├── VersionConflictError                    ABORTED              another writer was first; see ``current_version``
    ├── OutOfRangeError (ValueError)            OUT_OF_RANGE         offset past the end, trimmed history
    ├── IntegrityError                          DATA_LOSS            bytes do not match their size or SHA-256
    ├── PreconditionError                       FAILED_PRECONDITION  history is append-only, no database configured
    ├── ResourceExhaustedError                  RESOURCE_EXHAUSTED   disk full, quota, too many streams
    ├── UnavailableError (ConnectionError)      UNAVAILABLE          service or its database is away; safe to retry
    ├── DeadlineError (TimeoutError)            DEADLINE_EXCEEDED    no answer in time
    ├── UnauthenticatedError (PermissionError)  UNAUTHENTICATED      missing or invalid credentials
    ├── PermissionDeniedError (PermissionError) PERMISSION_DENIED    valid credentials, not enough rights
    ├── UnsupportedError (NotImplementedError)  UNIMPLEMENTED        this server does not offer the call
    ├── CancelledError                          CANCELLED            the caller gave up
    └── InternalError                           INTERNAL             a defect; the server's log has the details

Builtin bases are those that callers of the Flowcept library catch today. Every error carries a ``reason`` (a value
of the ``ErrorReason`` enum in ``protos/flowcept/v1/errors.proto``, where each is documented) and ``metadata`` with
the values that its message shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Reason(StrEnum):
    """Why a call failed, in one word; documented in ``protos/flowcept/v1/errors.proto``."""

    UNSPECIFIED = "ERROR_REASON_UNSPECIFIED"
    INVALID_FIELD = "INVALID_FIELD"
    INVALID_IDENTIFIER = "INVALID_IDENTIFIER"
    INVALID_DOCUMENT = "INVALID_DOCUMENT"
    INVALID_FILTER = "INVALID_FILTER"
    UNSUPPORTED_OPERATOR = "UNSUPPORTED_OPERATOR"
    UPLOAD_HEADER_MISSING = "UPLOAD_HEADER_MISSING"
    UPLOAD_HEADER_REPEATED = "UPLOAD_HEADER_REPEATED"
    UPLOAD_HEADER_CHANGED = "UPLOAD_HEADER_CHANGED"
    UPLOAD_NOT_COMMITTED = "UPLOAD_NOT_COMMITTED"
    UPLOAD_AFTER_COMMIT = "UPLOAD_AFTER_COMMIT"
    UPLOAD_OFFSET_MISMATCH = "UPLOAD_OFFSET_MISMATCH"
    UPLOAD_BUSY = "UPLOAD_BUSY"
    SIZE_MISMATCH = "SIZE_MISMATCH"
    DIGEST_MISMATCH = "DIGEST_MISMATCH"
    PAYLOAD_CORRUPT = "PAYLOAD_CORRUPT"
    PAYLOAD_TOO_LARGE_FOR_OBJECT = "PAYLOAD_TOO_LARGE_FOR_OBJECT"
    RECORD_TOO_LARGE = "RECORD_TOO_LARGE"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    RANGE_NOT_SATISFIABLE = "RANGE_NOT_SATISFIABLE"
    OBJECT_NOT_FOUND = "OBJECT_NOT_FOUND"
    VERSION_NOT_FOUND = "VERSION_NOT_FOUND"
    VERSION_NOT_RETAINED = "VERSION_NOT_RETAINED"
    RECORD_NOT_FOUND = "RECORD_NOT_FOUND"
    CONSUMER_NOT_FOUND = "CONSUMER_NOT_FOUND"
    OBJECT_EXISTS = "OBJECT_EXISTS"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    HISTORY_PROTECTED = "HISTORY_PROTECTED"
    NO_DATABASE = "NO_DATABASE"
    EVENTS_TRIMMED = "EVENTS_TRIMMED"
    SEQUENCE_NOT_REACHED = "SEQUENCE_NOT_REACHED"
    STORAGE_FULL = "STORAGE_FULL"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    STORAGE_IN_USE = "STORAGE_IN_USE"
    STORAGE_INCOMPATIBLE = "STORAGE_INCOMPATIBLE"
    TOO_MANY_SUBSCRIPTIONS = "TOO_MANY_SUBSCRIPTIONS"
    TOO_MANY_UPLOADS = "TOO_MANY_UPLOADS"
    RESULT_TOO_LARGE = "RESULT_TOO_LARGE"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    UPLOAD_TOO_LARGE = "UPLOAD_TOO_LARGE"
    QUERY_TOO_EXPENSIVE = "QUERY_TOO_EXPENSIVE"
    SERVICE_UNREACHABLE = "SERVICE_UNREACHABLE"
    DRAINING = "DRAINING"
    DEADLINE = "DEADLINE"
    CANCELLED = "CANCELLED"
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    SCOPE_MISSING = "SCOPE_MISSING"
    CAMPAIGN_DENIED = "CAMPAIGN_DENIED"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    INTERNAL = "INTERNAL"


class FlowceptError(Exception):
    """Root of every error that Flowcept raises on purpose.

    Args:
        message: One or two sentences for a person: what, which value (shortened), what to do.
        reason: Machine-readable reason; the class's ``default_reason`` when not given.
        **metadata: The values that the message shows, under stable names (``field="object_id"``,
            ``expected_offset=42``).
    """

    default_reason = Reason.UNSPECIFIED

    def __init__(self, message: str, *, reason: Reason | None = None, **metadata: object) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason if reason is not None else self.default_reason
        self.metadata: Mapping[str, str] = MappingProxyType({key: str(value) for key, value in metadata.items()})

    def __str__(self) -> str:
        # LookupError and OSError bring their own formatting; every class of ours reads the same.
        return self.message


class InvalidArgumentError(FlowceptError, ValueError):
    """The input is wrong; nothing was changed."""

    default_reason = Reason.INVALID_FIELD


class NotFoundError(FlowceptError, ValueError, LookupError):
    """The object, version, record or consumer does not exist."""

    default_reason = Reason.OBJECT_NOT_FOUND


class AlreadyExistsError(FlowceptError):
    """``must_not_exist`` was asked for and the object exists."""

    default_reason = Reason.OBJECT_EXISTS


class VersionConflictError(FlowceptError):
    """``expected_version`` is not the current version: another writer was first."""

    default_reason = Reason.VERSION_CONFLICT

    @property
    def current_version(self) -> int | None:
        """The version that the object has now; None when it does not exist."""
        value = self.metadata.get("current_version", "")
        return int(value) if value.isdigit() else None


class OutOfRangeError(FlowceptError, ValueError):
    """An offset or a sequence lies outside what is there."""

    default_reason = Reason.RANGE_NOT_SATISFIABLE


class IntegrityError(FlowceptError):
    """Bytes do not match the size or SHA-256 that was promised for them."""

    default_reason = Reason.DIGEST_MISMATCH


class PreconditionError(FlowceptError):
    """The system's state forbids the call (append-only history, no database configured)."""


class ResourceExhaustedError(FlowceptError):
    """Disk, quota or a bound on concurrent work is used up."""

    default_reason = Reason.STORAGE_FULL


class UnavailableError(FlowceptError, ConnectionError):
    """The service, or the database behind it, cannot be reached now; retrying is safe."""

    default_reason = Reason.SERVICE_UNREACHABLE


class DeadlineError(FlowceptError, TimeoutError):
    """No answer came within the deadline."""

    default_reason = Reason.DEADLINE


class UnauthenticatedError(FlowceptError, PermissionError):
    """Credentials are missing or invalid."""

    default_reason = Reason.CREDENTIALS_INVALID


class PermissionDeniedError(FlowceptError, PermissionError):
    """The credentials are valid and do not allow this."""

    default_reason = Reason.SCOPE_MISSING


class UnsupportedError(FlowceptError, NotImplementedError):
    """This server does not offer the call."""

    default_reason = Reason.NOT_IMPLEMENTED


class CancelledError(FlowceptError):
    """The caller cancelled the call."""

    default_reason = Reason.CANCELLED


class InternalError(FlowceptError):
    """A defect on the server; its log has the details under the request id in the message."""

    default_reason = Reason.INTERNAL


def shorten(value: object, limit: int = 60) -> str:
    """The value as an error message shows it: quoted like ``repr``, at most ``limit`` characters."""
    # A payload that was given in the wrong place may have gigabytes.
    text = repr(value[: limit + 1] if isinstance(value, str | bytes | bytearray) else value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def wrong_type(field: str, value: object, wanted: str) -> InvalidArgumentError:
    """The error for a value that is not of the type that it must be.

    Args:
        field: Name of the argument or field.
        value: What was given.
        wanted: What it must be, with its article: ``a string``.
    """
    return InvalidArgumentError(
        f"{field} is {shorten(value)} of type {type(value).__name__}; it must be {wanted}",
        field=field,
        value=shorten(value),
    )
