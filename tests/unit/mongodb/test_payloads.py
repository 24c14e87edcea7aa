"""What only a store with replicas has to deal with: growing uploads, former holders, readers elsewhere, crashes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from flowcept.errors import NotFoundError, VersionConflictError
from flowcept_service.domain.objects import CommitResult, ObjectChange, ObjectFields, ObjectVersion, Payload
from flowcept_service.domain.retention import Retention
from flowcept_service.storage.mongodb import MongodbSettings, MongodbStorage
from flowcept_service.storage.mongodb._connection.schema import CHUNK_BYTES
from tests.conformance.harness import BsonEventEncoder, FakeClock, digest
from tests.support.blobs import pattern

GRACE = 60.0


@dataclass
class Pair:
    """Two services on one database."""

    here: MongodbStorage
    there: MongodbStorage
    clock: FakeClock
    plain: Any

    def sweep(self, storage: MongodbStorage) -> int:
        return storage.sweep(Retention(), self.clock()).payloads

    def save(self, data: bytes, *, control_version: bool = False) -> CommitResult:
        payload = self.here.payloads.write([data], digest(data), in_object=False)
        change = ObjectChange("a", ObjectFields(), control_version, "", self.clock(), payload=payload)
        return self.here.objects.commit(change)


@pytest.fixture
def pair(mongodb_uri: str) -> Iterator[Pair]:
    settings = MongodbSettings(mongodb_uri, database=f"test_{uuid.uuid4().hex}", reader_grace_seconds=GRACE)
    clock = FakeClock()
    here, there = (MongodbStorage(settings, BsonEventEncoder(), clock) for _ in range(2))
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        yield Pair(here, there, clock, client[settings.database])
        here.close()
        there.close()
        client.drop_database(settings.database)


def commit(storage: MongodbStorage, payload: Payload, now: datetime) -> ObjectVersion:
    return storage.objects.commit(ObjectChange("a", ObjectFields(), True, "u", now, payload=payload)).object


def read(storage: MongodbStorage, version: ObjectVersion) -> bytes:
    return b"".join(storage.payloads.read(version, 0, version.object_size_bytes, 1 << 20))


def test_what_is_staged_can_be_read_while_it_grows(pair: Pair) -> None:
    data = pattern(3 * CHUNK_BYTES)
    payloads = pair.here.payloads
    begun = payloads.append(payloads.stage("u", "a", pair.clock()), [data[: CHUNK_BYTES + 1000]], pair.clock())
    reading = payloads.read_staged(begun)
    first = next(reading)

    payloads.append(begun, [data[CHUNK_BYTES + 1000 :]], pair.clock())

    assert first + b"".join(reading) == data[: begun.size]


def test_chunks_of_a_failed_append_are_replaced(pair: Pair) -> None:
    payloads = pair.here.payloads
    staging = payloads.stage("u", "a", pair.clock())
    # A process that died between its chunks and the row that counts them.
    pair.plain["fs.chunks"].insert_many(
        [{"files_id": staging.payload_id, "n": n, "data": b"stale" * (CHUNK_BYTES // 5)} for n in (0, 1, 2)]
    )
    data = pattern(2 * CHUNK_BYTES + 77)

    staging = payloads.append(staging, [data], pair.clock())
    version = commit(pair.here, Payload(staging.payload_id, staging.size, digest(data)), pair.clock())

    assert read(pair.there, version) == data
    assert pair.plain["fs.chunks"].count_documents({"files_id": staging.payload_id}) == 3


def test_a_former_holder_on_another_replica_changes_nothing(pair: Pair) -> None:
    old = pair.here.payloads.append(pair.here.payloads.stage("u", "a", pair.clock()), [b"x" * 10], pair.clock())
    new = pair.there.payloads.stage("u", "a", pair.clock())

    with pytest.raises(VersionConflictError):
        pair.here.payloads.append(old, [pattern(CHUNK_BYTES)], pair.clock())

    assert replace(new, updated_at=old.updated_at) == replace(old, epoch=2)
    assert b"".join(pair.there.payloads.read_staged(new)) == b"x" * 10
    assert pair.plain["fs.chunks"].count_documents({}) == 0


def test_bytes_of_an_overwritten_version_stay_for_the_grace_period(pair: Pair) -> None:
    old = pair.save(b"old").object
    pair.save(b"new")

    assert pair.sweep(pair.there) == 0
    assert read(pair.there, old) == b"old"
    pair.clock.advance(GRACE + 1)
    assert pair.sweep(pair.there) == 1
    with pytest.raises(NotFoundError):
        read(pair.there, old)


def test_readers_of_another_replica_are_not_cut_off(pair: Pair) -> None:
    old = pair.save(b"old").object
    with pair.here.payloads.pin(old):
        pair.here.readers.report()
        pair.save(b"new")
        pair.clock.advance(GRACE - 5)
        pair.here.readers.report()
        pair.clock.advance(10)
        assert pair.sweep(pair.there) == 0
        assert read(pair.here, old) == b"old"
    pair.here.readers.report()

    assert pair.sweep(pair.there) == 1


def test_a_replica_that_died_while_reading_holds_nothing_for_ever(pair: Pair) -> None:
    old = pair.save(b"old").object
    with pair.here.payloads.pin(old):
        pair.here.readers.report()
        pair.save(b"new")
        pair.clock.advance(3600)

        assert pair.sweep(pair.there) == 1


def test_a_removal_that_a_crash_interrupted_is_finished(pair: Pair) -> None:
    payloads = pair.here.payloads
    staging = payloads.append(payloads.stage("u", "a", pair.clock()), [pattern(2 * CHUNK_BYTES)], pair.clock())
    pair.plain["service.uploads"].delete_one({"_id": "u"})
    pair.plain["service.garbage"].insert_one({"_id": staging.payload_id, "since": pair.clock(), "removing": True})

    pair.sweep(pair.there)

    assert pair.plain["fs.chunks"].count_documents({}) == 0
    later = pair.clock() + timedelta(hours=2)
    pair.there.sweep(Retention(), later)
    assert pair.plain["service.garbage"].count_documents({}) == 0


def test_bytes_that_are_being_removed_cannot_become_a_version(pair: Pair) -> None:
    payloads = pair.here.payloads
    staging = payloads.append(payloads.stage("u", "a", pair.clock()), [b"data"], pair.clock())
    pair.plain["service.garbage"].insert_one({"_id": staging.payload_id, "since": pair.clock(), "removing": True})

    with pytest.raises(VersionConflictError):
        commit(pair.here, Payload(staging.payload_id, 4, digest(b"data")), pair.clock())


def test_files_of_others_are_left_alone(pair: Pair) -> None:
    pair.plain["fs.files"].insert_one({"_id": "theirs", "length": 3, "chunkSize": 255})
    pair.plain["fs.chunks"].insert_one({"files_id": "theirs", "n": 0, "data": b"abc"})
    pair.clock.advance(7 * 86_400)

    assert pair.sweep(pair.here) == 0
    assert pair.plain["fs.chunks"].count_documents({"files_id": "theirs"}) == 1
