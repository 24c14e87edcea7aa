"""The embedded store keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bson import ObjectId

from flowcept_service.storage.contract import Storage
from flowcept_service.storage.lmdb import LmdbSettings, LmdbStorage
from flowcept_service.storage.lmdb._payloads.role import LmdbPayloadStore
from tests.conformance.harness import StoreHarness
from tests.conformance.suites.events import EventSuite
from tests.conformance.suites.field_values import FieldValueSuite
from tests.conformance.suites.objects import ObjectSuite
from tests.conformance.suites.payloads import PayloadSuite
from tests.conformance.suites.queries import QuerySuite
from tests.conformance.suites.records import RecordSuite
from tests.conformance.suites.states import StateSuite


class LmdbHarness(StoreHarness):
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        super().__init__()

    def open(self) -> Storage:
        # A small map, so that it grows under every suite.
        opened = LmdbStorage(LmdbSettings(self.directory, map_size=1 << 20), self.encoder, self.clock)
        assert isinstance(opened.payloads, LmdbPayloadStore)
        self.chunks = opened.payloads.chunks
        self.small = opened.payloads._references.small
        return opened

    def held_payloads(self) -> set[ObjectId]:
        return set(self.chunks.payloads()) | self.small.payloads()

    def lose_bytes(self, payload_id: ObjectId) -> None:
        if payload_id in self.small.payloads():
            with self.small._environment.begin_write() as txn:
                assert txn.delete(payload_id.binary, db=self.small._rows)
            return
        with self.chunks._environment.begin_write() as txn, txn.cursor(self.chunks._rows) as cursor:
            behind = cursor.set_range(payload_id.binary + b"\xff" * 8)
            assert cursor.prev() if behind else cursor.last()
            cursor.delete()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StoreHarness]:
    harness = LmdbHarness(tmp_path)
    yield harness
    harness.storage.close()


class TestRecords(RecordSuite): ...


class TestQueries(QuerySuite): ...


class TestEvents(EventSuite): ...


class TestObjects(ObjectSuite): ...


class TestPayloads(PayloadSuite): ...


class TestStates(StateSuite): ...


class TestFieldValues(FieldValueSuite): ...
