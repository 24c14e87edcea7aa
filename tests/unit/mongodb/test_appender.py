"""Appending ahead of what is durable: the row of an upload counts only what is there, whatever breaks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from flowcept.errors import UnavailableError
from flowcept_service.domain.objects import ObjectChange, ObjectFields, Payload, Staging
from flowcept_service.storage.appending import Appender
from flowcept_service.storage.contract import Chunk
from flowcept_service.storage.mongodb import MongodbSettings, MongodbStorage
from flowcept_service.storage.mongodb._connection.schema import CHUNK_BYTES
from flowcept_service.storage.mongodb._payloads.chunks import BATCH_CHUNKS, ChunkCollection
from tests.conformance.harness import BsonEventEncoder, FakeClock, digest
from tests.support.blobs import pattern
from tests.support.conditions import PATIENCE, eventually

PART = 2 * BATCH_CHUNKS * CHUNK_BYTES
"""What takes two inserts."""


@dataclass
class Upload:
    """An upload that was begun, and the database behind it."""

    storage: MongodbStorage
    staging: Staging
    clock: FakeClock
    plain: Any

    @property
    def counted(self) -> int:
        staging = self.storage.payloads.staged("u")
        assert staging is not None
        return staging.size

    @property
    def chunks(self) -> int:
        found: int = self.plain["fs.chunks"].count_documents({"files_id": self.staging.payload_id})
        return found

    def committed(self, data: bytes) -> bytes:
        """What a version holds that is made of all that is staged."""
        payload = Payload(self.staging.payload_id, self.counted, digest(data))
        change = ObjectChange("a", ObjectFields(), True, "u", self.clock(), payload=payload)
        version = self.storage.objects.commit(change).object
        return b"".join(self.storage.payloads.read(version, 0, version.object_size_bytes, 1 << 20))


@pytest.fixture
def upload(mongodb_uri: str) -> Iterator[Upload]:
    settings = MongodbSettings(mongodb_uri, database=f"test_{uuid.uuid4().hex}")
    clock = FakeClock()
    storage = MongodbStorage(settings, BsonEventEncoder(), clock)
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        yield Upload(storage, storage.payloads.stage("u", "a", clock()), clock, client[settings.database])
        storage.close()
        client.drop_database(settings.database)


Insert = Callable[[ChunkCollection, ObjectId, int, Sequence[Sequence[Chunk]]], None]


def before_each_insert(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Have something happen in the thread that is about to insert chunks from a number on."""
    insert: Insert = ChunkCollection._insert

    def delayed(chunks: ChunkCollection, payload_id: ObjectId, number: int, batch: Sequence[Sequence[Chunk]]) -> None:
        act(number)
        insert(chunks, payload_id, number, batch)

    monkeypatch.setattr(ChunkCollection, "_insert", delayed)


def send(appender: Appender, data: bytes, clock: Callable[[], datetime]) -> None:
    """Append part by part, as an upload does."""
    for start in range(0, len(data), PART):
        appender.append([data[start : start + PART]], clock())
    appender.settle()


def leave_a_gap(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> Appender:
    """Have the second insert of an upload of zeros fail after later ones have begun."""
    later = Event()

    def act(number: int) -> None:
        if number > BATCH_CHUNKS:
            later.set()
        elif number == BATCH_CHUNKS:
            _await(later)
            raise AutoReconnect("the connection broke")

    before_each_insert(monkeypatch, act)
    with closing(upload.storage.payloads.appender(upload.staging)) as appender, pytest.raises(UnavailableError):
        send(appender, bytes(3 * PART), upload.clock)
    monkeypatch.undo()
    return appender


def test_the_row_counts_no_chunk_before_those_that_precede_it(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    first_may_go = Event()
    before_each_insert(monkeypatch, lambda number: None if number else _await(first_may_go))
    data = pattern(PART)

    with closing(upload.storage.payloads.appender(upload.staging)) as appender, ThreadPoolExecutor(1) as caller:
        appended = caller.submit(appender.append, [data], upload.clock())
        eventually(lambda: upload.chunks == BATCH_CHUNKS)
        assert upload.counted == 0
        first_may_go.set()
        appended.result()
        appender.settle()

    assert upload.counted == PART
    assert upload.committed(data) == data


def test_the_caller_goes_on_while_chunks_are_inserted(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go = Event()
    before_each_insert(monkeypatch, lambda _: _await(may_go))

    with closing(upload.storage.payloads.appender(upload.staging)) as appender:
        appender.append([pattern(PART // 2)], upload.clock())  # returns although nothing was inserted
        assert (appender.size, appender.staging.size) == (PART // 2, 0)
        may_go.set()
        assert appender.settle().size == PART // 2


def test_an_insert_that_failed_is_told_and_only_what_precedes_it_is_counted(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    appender = leave_a_gap(upload, monkeypatch)

    assert upload.counted == appender.staging.size <= BATCH_CHUNKS * CHUNK_BYTES
    assert upload.chunks >= 2 * BATCH_CHUNKS  # some of them lie behind the gap


def test_whoever_resumes_behind_a_gap_replaces_the_chunks_there(
    upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_a_gap(upload, monkeypatch)
    data = pattern(3 * PART + 1000)

    resumed = upload.storage.payloads.stage("u", "a", upload.clock())
    with closing(upload.storage.payloads.appender(resumed)) as appender:
        send(appender, data[resumed.size :], upload.clock)

    kept = bytes(resumed.size) + data[resumed.size :]
    assert upload.committed(kept) == kept
    assert upload.chunks == len(kept) // CHUNK_BYTES + 1


def test_chunks_that_a_dead_process_left_far_ahead_are_replaced(upload: Upload) -> None:
    stale = b"stale" * (CHUNK_BYTES // 5)
    numbers = (3 * BATCH_CHUNKS, 5 * BATCH_CHUNKS, 9 * BATCH_CHUNKS)
    upload.plain["fs.chunks"].insert_many(
        [{"files_id": upload.staging.payload_id, "n": n, "data": stale} for n in numbers]
    )
    data = pattern(3 * PART + 77)

    with closing(upload.storage.payloads.appender(upload.staging)) as appender:
        send(appender, data, upload.clock)

    assert upload.committed(data) == data
    assert upload.chunks == len(data) // CHUNK_BYTES + 1


def test_closing_waits_for_what_is_under_way(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = Event()
    before_each_insert(monkeypatch, lambda _: begun.set())

    with closing(upload.storage.payloads.appender(upload.staging)) as appender:
        appender.append([pattern(PART)], upload.clock())
        assert begun.wait(PATIENCE)

    assert upload.chunks == 2 * BATCH_CHUNKS
    assert upload.storage.payloads.discard("u")
    assert upload.chunks == 0


def _await(event: Event) -> None:
    if not event.wait(PATIENCE):
        raise AssertionError("nobody let it go on")
