"""Stores can be copied, and be copies, of one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conformance.copying import Copy
from tests.conformance.harness import StoreHarness
from tests.conformance.suites.replicas import ReplicaSuite
from tests.conformance.test_lmdb import LmdbHarness
from tests.conformance.test_mongodb import MongodbHarness

OpenStore = Callable[[str], StoreHarness]


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def lmdb(tmp_path: Path, opened: ExitStack) -> OpenStore:
    return lambda name: opened.enter_context(closing_store(LmdbHarness(tmp_path / name)))


@contextmanager
def closing_store(harness: LmdbHarness) -> Iterator[StoreHarness]:
    yield harness
    harness.storage.close()


@pytest.fixture
def mongodb(request: pytest.FixtureRequest, opened: ExitStack) -> OpenStore:
    uri: str = request.getfixturevalue("mongodb_uri")
    return lambda name: opened.enter_context(dropping_store(MongodbHarness(uri)))


@contextmanager
def dropping_store(harness: MongodbHarness) -> Iterator[StoreHarness]:
    yield harness
    harness.reopen()
    harness.mongodb.database.client.drop_database(harness.settings.database)
    harness.storage.close()


def copy_of(opened: ExitStack, source: StoreHarness, target: StoreHarness) -> Copy:
    copy = Copy(source, target)
    opened.callback(copy.close)
    return copy


class TestLmdbToLmdb(ReplicaSuite):
    @pytest.fixture
    def copy(self, opened: ExitStack, lmdb: OpenStore) -> Copy:
        return copy_of(opened, lmdb("source"), lmdb("target"))


class TestLmdbToMongodb(ReplicaSuite):
    @pytest.fixture
    def copy(self, opened: ExitStack, lmdb: OpenStore, mongodb: OpenStore) -> Copy:
        return copy_of(opened, lmdb("source"), mongodb("target"))


class TestMongodbToLmdb(ReplicaSuite):
    @pytest.fixture
    def copy(self, opened: ExitStack, lmdb: OpenStore, mongodb: OpenStore) -> Copy:
        return copy_of(opened, mongodb("source"), lmdb("target"))
