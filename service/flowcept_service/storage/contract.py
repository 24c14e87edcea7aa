"""What a store promises. The conformance suites in ``tests/conformance`` hold every store to it.

A store is used through four roles, bundled as ``Storage``. All methods are synchronous and thread-safe, and take and
return values, never live state. Every method may raise, besides what it says itself:

- ResourceExhaustedError (STORAGE_FULL): the disk is full. Nothing was changed; reads go on; writes work once there is
  room.
- UnavailableError (STORAGE_UNAVAILABLE): the database cannot be reached, or the store was closed. The change may or may
  not have happened; repeating it under its ``message_id``, ``request_id`` or ``upload_id`` is safe.

**Lifecycle of a payload.** ``PayloadStore.stage`` and ``append`` (or ``write``) make durable bytes that nobody can see.
They become a version by ``ObjectStore.commit``, in one transaction with the version, its history and its event;
``discard`` then forgets the staging. What is staged and never committed, and what no version refers to any longer, is
removed by ``sweep``; readers in flight are not cut off.

**Lifecycle of a change.** A change (a record, a version, a deletion) and its event commit together. A write returns
when it is durable. Sequences are given in commit order, without gaps.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from bson import ObjectId

from flowcept_service.domain.campaigns import Campaigns
from flowcept_service.domain.events import EventBlock, LogBounds
from flowcept_service.domain.objects import CommitResult, ObjectChange, ObjectVersion, Payload, Precondition, Staging
from flowcept_service.domain.records import Collection, Document, RecordWrite, WriteOutcome
from flowcept_service.domain.retention import Retention, SweepResult
from flowcept_service.domain.store_state import StoreState, WriterState
from flowcept_service.query import Query, QueryBudget
from flowcept_service.storage.appending import Appender

Chunk = bytes | memoryview
"""Bytes on their way into a store: a view of a received message saves copying it."""


class RecordStore(Protocol):
    """Tasks, workflows and agents; and queries over every collection."""

    def write(self, writes: Sequence[RecordWrite]) -> list[WriteOutcome]:
        """Merge messages into records; one outcome per write, in order.

        A message that is refused (its ``merge`` raises a FlowceptError) or known changes nothing and sinks no other.
        Writes to one record are merged in their order.
        """

    def get(self, collection: Collection, record_id: str) -> Document | None:
        """The latest document under an identifier, or None."""

    def find(
        self, collection: Collection, query: Query, budget: QueryBudget | None = None
    ) -> Generator[bytes, None, None]:
        """The answer to a query, as BSON documents, streamed in bounded memory. Closing the iterator ends the work.

        Documents of objects never carry payload bytes. ``budget`` is asked at least every few hundred documents or
        quarters of a second, whether or not they are results; the work ends where it says so, in the database too.
        Raises ResourceExhaustedError (RESULT_TOO_LARGE, for a sort or grouping beyond its bound); and as ``budget``.
        """

    def count(self, collection: Collection, campaign_id: str | None = None) -> int:
        """How many documents there are, or of one campaign; quick, may be an estimate."""

    def delete(self, field: str, value: str, campaigns: Campaigns = None) -> Mapping[Collection, int]:
        """Delete tasks, workflows and agents whose ``field`` (``workflow_id`` or ``campaign_id``) is ``value``.

        Only those of ``campaigns``, if given; in several transactions if there are many. Returns how many of each went.
        """


class ObjectStore(Protocol):
    """Versions of objects."""

    def commit(self, change: ObjectChange) -> CommitResult:
        """Apply ``domain.objects.plan_change`` atomically. A known ``request_id`` returns the first result again.

        Raises:
            AlreadyExistsError, VersionConflictError, NotFoundError, PermissionDeniedError: as ``plan_change``.
            InvalidArgumentError: UPLOAD_HEADER_CHANGED, when ``request_id`` committed another object.
        """

    def commit_known(self, change: ObjectChange, size: int, sha256: str) -> CommitResult | None:
        """Like ``commit``, with a payload of this digest that the store already holds; None when it holds none."""

    def committed(self, request_id: str) -> ObjectVersion | None:
        """The version that was committed under a ``request_id``, for a day at least; or None."""

    def get(self, object_id: str, version: int | None = None) -> ObjectVersion:
        """The latest version, or exactly that one.

        Raises NotFoundError (OBJECT_NOT_FOUND, VERSION_NOT_FOUND, VERSION_NOT_RETAINED).
        """

    def versions(self, object_id: str, below: int | None, limit: int) -> list[ObjectVersion]:
        """The kept versions under ``below`` (None: all), newest first. Raises NotFoundError (OBJECT_NOT_FOUND)."""

    def delete(self, object_id: str, precondition: Precondition, now: datetime) -> ObjectVersion:
        """Delete an object. Raises as ``domain.objects.check_deletable``."""


class PayloadStore(Protocol):
    """Bytes: staged, sealed, read back."""

    def stage(
        self, upload_id: str, object_id: str, now: datetime, payload_id: ObjectId | None = None, owner: str = ""
    ) -> Staging:
        """Begin an upload, or take it over from whoever holds it, who stays its owner.

        ``payload_id`` names the bytes of a copy.
        Raises InvalidArgumentError (UPLOAD_HEADER_CHANGED) when the upload belongs to another object.
        """

    def append(self, staging: Staging, data: Sequence[Chunk], now: datetime) -> Staging:
        """Append bytes at ``staging.size``.

        Raises VersionConflictError (UPLOAD_BUSY) when another holder took the upload over, or it was discarded.
        """

    def appender(self, staging: Staging) -> Appender:
        """Appends as ``append`` does, while the caller goes on."""

    def staged(self, upload_id: str) -> Staging | None:
        """What is staged, or None."""

    def staged_bytes(self, owner: str | None = None) -> int:
        """What is staged altogether, or of one owner; for a quota, so it may be some moments old."""

    def read_staged(self, staging: Staging, start: int = 0) -> Iterator[bytes]:
        """The staged bytes from ``start`` on, in pieces (to compute the digest anew when an upload resumes)."""

    def discard(self, upload_id: str) -> bool:
        """Drop what an upload has staged, unless a version refers to it; whether there was anything."""

    def write(self, data: Sequence[Chunk], sha256: str, *, in_object: bool) -> Payload:
        """Store a small payload in one step; with ``in_object``, where the store keeps bytes in documents, do."""

    def read(self, version: ObjectVersion, offset: int, length: int, piece: int) -> Iterator[Chunk]:
        """Bytes of a version, as they are held, in pieces of at most ``piece``; the range lies within the payload.

        Raises IntegrityError (PAYLOAD_CORRUPT) when bytes are missing.
        """

    def pin(self, version: ObjectVersion) -> AbstractContextManager[None]:
        """While held, the version's bytes are not swept even if the version is overwritten."""


class EventLog(Protocol):
    """The log, and the positions of its durable consumers."""

    def bounds(self) -> LogBounds:
        """What the log holds."""

    def read(self, after: int, max_bytes: int) -> list[EventBlock]:
        """The blocks that hold the events behind ``after``, in order, at least one if there is any.

        The first may begin earlier.
        Raises OutOfRangeError: EVENTS_TRIMMED (metadata ``oldest_sequence``), SEQUENCE_NOT_REACHED (``last_sequence``).
        """

    def wait(self, after: int, timeout: float) -> bool:
        """Block until the log is beyond ``after``, the seconds have passed or the store closes; whether it is."""

    def position(self, consumer: str) -> int | None:
        """The acknowledged sequence of a durable consumer, or None."""

    def acknowledge(self, consumer: str, sequence: int) -> int:
        """Move a consumer forward, creating it; the position it has then.

        Raises OutOfRangeError (SEQUENCE_NOT_REACHED).
        """

    def delete_consumer(self, consumer: str) -> int | None:
        """Forget a consumer; the position it had, or None when it is not known."""


class Storage(Protocol):
    """A store with its four roles."""

    records: RecordStore
    objects: ObjectStore
    payloads: PayloadStore
    events: EventLog

    def sweep(self, retention: Retention, now: datetime) -> SweepResult:
        """Remove what has expired, in short transactions: uploads, payloads without a version, requests, events."""

    def state(self) -> StoreState:
        """How the store is, within seconds: looked up anew, so that what it raises tells that the store is away."""

    def writers(self) -> Sequence[WriterState]:
        """The threads that commit; asks no database."""

    def close(self) -> None:
        """Finish the writes under way, wake the waiters, release everything. Later calls raise UnavailableError."""
