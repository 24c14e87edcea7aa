"""How often the store asks the server: each time costs what a small query takes altogether."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from flowcept_service.domain.records import Collection
from flowcept_service.query import QueryBudget, parse_query
from flowcept_service.storage.mongodb import MongodbSettings, MongodbStorage
from tests.conformance.harness import BsonEventEncoder, task

COUNT = 400


@pytest.fixture(scope="module")
def store(mongodb_uri: str) -> Iterator[MongodbStorage]:
    settings = MongodbSettings(mongodb_uri, database=f"trips_{uuid.uuid4().hex[:8]}")
    storage = MongodbStorage(settings, BsonEventEncoder(), lambda: datetime.now(UTC))
    storage.records.write([task(f"t{n}", workflow_id="w") for n in range(COUNT)])
    yield storage
    storage.database.client.drop_database(storage.database.name)
    storage.close()


def test_a_query_of_some_hundred_documents_asks_the_server_once(store: MongodbStorage) -> None:
    database = store.database.plain
    database.command("profile", 2)  # the server writes down what it is asked
    try:
        budget = QueryBudget(60.0, lambda: True, time.monotonic)
        found = list(store.records.find(Collection.TASKS, parse_query({"workflow_id": "w"}), budget))
    finally:
        database.command("profile", 0)

    assert len(found) == COUNT
    asked = database["system.profile"].find({"ns": f"{database.name}.{Collection.TASKS.value}"})
    assert [operation["op"] for operation in asked] == ["query"]
