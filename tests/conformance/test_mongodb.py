"""The MongoDB store keeps the contract."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from flowcept_service.storage.contract import Storage
from flowcept_service.storage.mongodb import MongodbSettings, MongodbStorage
from tests.conformance.harness import StoreHarness
from tests.conformance.suites.events import EventSuite
from tests.conformance.suites.field_values import FieldValueSuite
from tests.conformance.suites.objects import ObjectSuite
from tests.conformance.suites.payloads import PayloadSuite
from tests.conformance.suites.queries import QuerySuite
from tests.conformance.suites.records import RecordSuite
from tests.conformance.suites.states import StateSuite

DATABASE = f"test_{uuid.uuid4().hex}"


class MongodbHarness(StoreHarness):
    def __init__(self, uri: str) -> None:
        # Without the grace period for other replicas' readers, so that a sweep shows at once what it does.
        self.settings = MongodbSettings(uri, database=DATABASE, reader_grace_seconds=0)
        super().__init__()

    def open(self) -> Storage:
        self.mongodb = MongodbStorage(self.settings, self.encoder, self.clock)
        return self.mongodb

    def held_payloads(self) -> set[ObjectId]:
        plain = self.mongodb.database.plain
        staged = plain["service.uploads"].distinct("payload_id", {"committed": False, "size": {"$gt": 0}})
        return {*plain["fs.chunks"].distinct("files_id"), *staged}

    def lose_bytes(self, payload_id: ObjectId) -> None:
        chunks = self.mongodb.database.plain["fs.chunks"]
        assert chunks.find_one_and_delete({"files_id": payload_id}, sort=[("n", -1)])


@pytest.fixture
def store(mongodb_uri: str) -> Iterator[StoreHarness]:
    harness = MongodbHarness(mongodb_uri)
    yield harness
    harness.storage.close()
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        # Emptied, not dropped: making collections and indexes is slow.
        for name in client[DATABASE].list_collection_names():
            client[DATABASE][name].delete_many({})


class TestRecords(RecordSuite): ...


class TestQueries(QuerySuite): ...


class TestEvents(EventSuite): ...


class TestObjects(ObjectSuite): ...


class TestPayloads(PayloadSuite): ...


class TestStates(StateSuite): ...


class TestFieldValues(FieldValueSuite): ...
