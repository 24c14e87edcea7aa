"""What the conformance suites need of a store, and the values that they put into it.

A store joins by a `StoreHarness` and one class per suite; see ``test_lmdb.py``.
"""

from __future__ import annotations

import hashlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import bson
from bson import ObjectId

from flowcept_service.domain.events import EventAction, EventDraft, EventKind
from flowcept_service.domain.objects import (
    CommitResult,
    ObjectChange,
    ObjectFields,
    Payload,
    Precondition,
    Staging,
)
from flowcept_service.domain.records import Collection, Document, Merge, RecordWrite
from flowcept_service.query import decode, parse_query
from flowcept_service.storage.contract import Storage
from flowcept_service.storage.records import encode_record
from tests.support.conditions import PATIENCE

T = TypeVar("T")


class FakeClock:
    """A clock that stands still until it is moved. It starts at the real time, for payloads are named by it."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=123_000)

    def __call__(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> datetime:
        self._now += timedelta(seconds=seconds)
        return self._now


class BsonEventEncoder:
    """Events as BSON documents: they delimit themselves, so joined frames can be taken apart again."""

    def body(self, draft: EventDraft) -> bytes:
        return bson.encode(
            {
                "kind": int(draft.kind),
                "action": int(draft.action),
                "id": draft.id,
                "workflow_id": draft.workflow_id,
                "campaign_id": draft.campaign_id,
                "activity_id": draft.activity_id,
                "object_type": draft.object_type,
                "object_version": draft.object_version,
                "commit_time": draft.commit_time,
                "document": draft.document,
            }
        )

    def frame(self, sequence: int, body: bytes) -> bytes:
        return bson.encode({"sequence": sequence, "body": body})


class StoreHarness(ABC):
    """A store under test, with what a suite may do behind its back."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.encoder = BsonEventEncoder()
        self.storage = self.open()

    @abstractmethod
    def open(self) -> Storage:
        """Open the store; again and again on the same data."""

    @abstractmethod
    def held_payloads(self) -> set[ObjectId]:
        """The payloads that have bytes in the store."""

    @abstractmethod
    def lose_bytes(self, payload_id: ObjectId) -> None:
        """Remove the last of a payload's bytes."""

    def reopen(self) -> None:
        self.storage.close()
        self.storage = self.open()

    def upload(self, data: bytes, upload_id: str = "upload", object_id: str = "object") -> Staging:
        """Stage bytes."""
        staging = self.storage.payloads.stage(upload_id, object_id, self.clock())
        return self.storage.payloads.append(staging, [data], self.clock())

    def save(
        self,
        object_id: str = "object",
        data: bytes = b"data",
        *,
        request_id: str = "",
        control_version: bool = True,
        precondition: Precondition | None = None,
        in_object: bool = False,
        author: str | None = None,
        **fields: Any,
    ) -> CommitResult:
        """Store bytes and commit them as a version."""
        payload = self.storage.payloads.write([data], digest(data), in_object=in_object)
        return self.storage.objects.commit(
            ObjectChange(
                object_id,
                ObjectFields(**fields),
                control_version,
                request_id,
                self.clock(),
                author=author,
                precondition=precondition or Precondition(),
                payload=payload,
                save_data_in_collection=in_object,
            )
        )

    def update(self, object_id: str = "object", *, request_id: str = "", **fields: Any) -> CommitResult:
        """Commit new metadata for the bytes that an object has."""
        change = ObjectChange(object_id, ObjectFields(**fields), True, request_id, self.clock())
        return self.storage.objects.commit(change)

    def read(self, object_id: str = "object", version: int | None = None) -> bytes:
        """The bytes of a version."""
        found = self.storage.objects.get(object_id, version)
        return b"".join(self.storage.payloads.read(found, 0, found.object_size_bytes, 1 << 20))

    def find(self, collection: Collection, *query: Any, **options: Any) -> list[Document]:
        """The answer to a query, decoded."""
        return [decode(data) for data in self.storage.records.find(collection, parse_query(*query, **options))]

    def events(self, after: int = 0) -> list[Document]:
        """All events behind a sequence, decoded."""
        found = []
        while after < self.storage.events.bounds().last:
            for block in self.storage.events.read(after, 1 << 20):
                found += [event for event in decode_frames(block.frames) if event["sequence"] > after]
                after = block.last
        return found


def decode_frames(frames: bytes) -> list[Document]:
    """The events in joined frames."""
    return [{"sequence": frame["sequence"], **_decode_body(frame["body"])} for frame in bson.decode_all(frames)]


def _decode_body(data: bytes) -> Document:
    body = bson.decode(data)
    body.update(kind=EventKind(body["kind"]), action=EventAction(body["action"]), document=decode(body["document"]))
    return body


def digest(data: bytes) -> str:
    """SHA-256, as versions have it."""
    return hashlib.sha256(data).hexdigest()


def payload_of(staging: Staging, data: bytes) -> Payload:
    """The payload that a complete upload has become."""
    return Payload(staging.payload_id, staging.size, digest(data))


def task(record_id: str, /, message_id: str = "", **fields: Any) -> RecordWrite:
    """A message that sets fields of a task."""
    return record(Collection.TASKS, record_id, message_id, **fields)


def record(collection: Collection, record_id: str, /, message_id: str = "", **fields: Any) -> RecordWrite:
    """A message that sets fields of a record."""
    name = {Collection.TASKS: "task_id", Collection.WORKFLOWS: "workflow_id", Collection.AGENTS: "agent_id"}[collection]
    merge = encoding(collection, lambda known: {**(known or {}), name: record_id, **fields})
    return RecordWrite(collection, record_id, message_id, merge)


def encoding(collection: Collection, merge: Callable[[Document | None], Document]) -> Merge:
    """A merge of documents, as stores are given it."""
    return lambda known: encode_record(collection, merge(known))


def in_parallel(calls: Sequence[Callable[[], T]]) -> list[T]:
    """The results of calls that run at the same time, one thread each."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=PATIENCE) for future in [pool.submit(call) for call in calls]]


def batches(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """The items, in sequences of at most ``size``."""
    starts = itertools.count(0, size)
    return list(itertools.takewhile(bool, (items[start : start + size] for start in starts)))
