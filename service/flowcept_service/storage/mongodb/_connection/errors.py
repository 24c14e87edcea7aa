"""What the errors of MongoDB and its driver mean to a caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WTimeoutError,
)

from flowcept.errors import (
    FlowceptError,
    InternalError,
    InvalidArgumentError,
    PreconditionError,
    Reason,
    ResourceExhaustedError,
    UnavailableError,
)
from flowcept_service.storage.mongodb._connection.settings import HIDDEN, MongodbSettings

TRANSIENT_LABEL: Final = "TransientTransactionError"
UNKNOWN_COMMIT_LABEL: Final = "UnknownTransactionCommitResult"
DUPLICATE_KEY: Final = 11000
WRITE_CONFLICT: Final = 112
INTERRUPTED: Final = 11601
"""The session was ended by somebody else."""
_DISK_FULL = frozenset({14031})
_RESULT_TOO_LARGE = frozenset({146, 292, 16819, 16945})
"""Memory limits of sorting and grouping."""
_TOO_LARGE = frozenset({10334, 17280, 17419, 17420})
"""A document beyond 16 MiB, or an index key that is too long."""
_NOT_ALLOWED = frozenset({8000, 13, 18})
_PASSING = frozenset({6, 7, 11, 24, 46, 50, 64, 79, 89, 91, 112, 189, 211, 251, 262, 9001, 10107, 11600, 11602, 13388})
_PASSING_STATES = frozenset({13435, 13436, 43, 134, 136, 225, 237, 256, 263, 290, INTERRUPTED})
"""The server is shutting down, electing, overloaded, or too slow."""


class ErrorTranslator:
    """Makes errors of ours out of the driver's, without credentials.

    Args:
        settings: Whose credentials are to be hidden, and which server is named.
    """

    def __init__(self, settings: MongodbSettings) -> None:
        self._secrets = settings.secrets
        self._where = settings.safe_uri

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Around every use of the driver, iteration included."""
        try:
            yield
        except PyMongoError as error:
            # Without the cause: its text, and those that it was caused by, may show the connection string.
            raise self.translate(error) from None

    def clean(self, text: object) -> str:
        """A text without credentials."""
        cleaned = str(text)
        for secret in self._secrets:
            cleaned = cleaned.replace(secret, HIDDEN)
        return cleaned

    def closed(self) -> UnavailableError:
        """The error for calls after ``close``."""
        return UnavailableError("the MongoDB store was closed", reason=Reason.STORAGE_UNAVAILABLE)

    def unavailable(self, error: object) -> UnavailableError:
        """The error for a database that cannot be reached."""
        # Behind the reason, the driver describes its whole view of the set.
        problem = self.clean(error).partition(", Timeout: ")[0]
        return UnavailableError(
            f"MongoDB at {self._where} cannot be reached or cannot write now: {problem[:300]}; check that it runs, and "
            "its address. A service that runs goes on by itself when the database is back",
            reason=Reason.STORAGE_UNAVAILABLE,
        )

    def translate(self, error: PyMongoError) -> FlowceptError:
        """The error of ours for one of the driver's."""
        code = error.code if isinstance(error, OperationFailure) else None
        if code in _DISK_FULL:
            return ResourceExhaustedError(
                "the disk of MongoDB is full; nothing was changed. Free some space and repeat the call",
                reason=Reason.STORAGE_FULL,
            )
        if code in _RESULT_TOO_LARGE:
            return ResourceExhaustedError(
                "the query sorts or groups more than MongoDB holds in memory; narrow its filter or set a limit",
                reason=Reason.RESULT_TOO_LARGE,
            )
        if isinstance(error, DocumentTooLarge) or code in _TOO_LARGE:
            return InvalidArgumentError(
                f"MongoDB cannot hold the document ({self.clean(error)[:200]}); save large values as a blob",
                reason=Reason.RECORD_TOO_LARGE,
            )
        if code in _NOT_ALLOWED:
            return UnavailableError(
                f"MongoDB at {self._where} refuses the credentials: {self.clean(error)[:200]}; check the user, its "
                "password, authSource, and that its role is readWrite",
                reason=Reason.STORAGE_UNAVAILABLE,
            )
        if isinstance(error, InvalidOperation) and "close" in str(error):
            return self.closed()
        if is_passing(error):
            return self.unavailable(error)
        if isinstance(error, ConfigurationError):
            return PreconditionError(
                f"the connection string {self._where} cannot be used: {self.clean(error)[:200]}",
                reason=Reason.STORAGE_INCOMPATIBLE,
            )
        return InternalError(f"MongoDB refused what it should accept: {self.clean(error)[:300]}", code=code)


def is_passing(error: PyMongoError) -> bool:
    """Whether the database may be able to do the same a moment later."""
    if isinstance(error, ConnectionFailure | WTimeoutError | ExecutionTimeout | WaitQueueTimeoutError):
        return True
    if error.has_error_label(TRANSIENT_LABEL) or error.has_error_label("RetryableWriteError"):
        return True
    return isinstance(error, OperationFailure) and error.code in _PASSING | _PASSING_STATES


def is_transient(error: PyMongoError) -> bool:
    """Whether a transaction that failed so did not happen, and may be repeated as a whole."""
    # A duplicate key means that another writer was first: the next attempt sees its document.
    if error.has_error_label(TRANSIENT_LABEL) or isinstance(error, DuplicateKeyError):
        return True
    # Before the commit: the server has given the transaction up.
    return isinstance(error, OperationFailure) and error.code == INTERRUPTED


def is_uncertain(error: PyMongoError) -> bool:
    """Whether it is not known if a commit that failed so has happened."""
    interrupted = isinstance(error, OperationFailure) and error.code == INTERRUPTED
    return interrupted or error.has_error_label(UNKNOWN_COMMIT_LABEL)
