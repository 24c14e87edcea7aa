"""A query that the server evaluates ends when its time is up or its caller is gone, on the server too."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from flowcept.errors import CancelledError, FlowceptError, Reason, ResourceExhaustedError
from flowcept_service.domain.records import Collection
from flowcept_service.query import QueryBudget, backtracks, parse_query
from flowcept_service.storage.mongodb import MongodbSettings, MongodbStorage
from tests.conformance.harness import BsonEventEncoder, task
from tests.support.conditions import eventually

NAME = "slow-query"
# Patterns that take time for every document, though not so much that the service would not leave them to the server.
BOMB: dict[str, Any] = {"$or": [{"text": {"$regex": f"x+{'a' * n}y"}} for n in range(30)], "name": {"$ne": NAME}}
SECONDS_ON_THE_SERVER = 5.0
"""What evaluating the filter takes at least, on any machine."""


@pytest.fixture(scope="module")
def store(mongodb_uri: str) -> Iterator[MongodbStorage]:
    settings = MongodbSettings(mongodb_uri, database=f"budgets_{uuid.uuid4().hex[:8]}")
    storage = MongodbStorage(settings, BsonEventEncoder(), lambda: datetime.now(UTC))
    text = "x" * 3_000 + "a" * 40 + "zy"
    storage.records.write([task(f"t{n}", text=text) for n in range(500)])
    yield storage
    storage.database.client.drop_database(storage.database.name)
    storage.close()


def ended_by(
    store: MongodbStorage, seconds: float, is_wanted: Callable[[], bool], **query: Any
) -> tuple[FlowceptError, float]:
    """The error that ends the query, and after how many seconds."""
    budget = QueryBudget(seconds, is_wanted, time.monotonic)
    began = time.monotonic()
    with pytest.raises(FlowceptError) as raised:
        list(store.records.find(Collection.TASKS, parse_query(BOMB, **query), budget))
    return raised.value, time.monotonic() - began


def test_the_filter_is_evaluated_by_the_server() -> None:
    assert not backtracks(parse_query(BOMB).filter)


def nothing_runs(store: MongodbStorage) -> bool:
    """Whether the server works for no query of ours any more."""
    running = store.database.client.admin.command({"currentOp": 1})["inprog"]
    return not [op for op in running if str(op.get("ns")).startswith("budgets_") and NAME in str(op.get("command"))]


@pytest.mark.parametrize("query", [{}, {"aggregations": [("count", "*")]}], ids=["find", "aggregate"])
def test_a_query_that_takes_too_long_ends(store: MongodbStorage, query: dict[str, Any]) -> None:
    error, seconds = ended_by(store, 0.3, lambda: True, **query)
    assert (type(error), error.reason) == (ResourceExhaustedError, Reason.QUERY_TOO_EXPENSIVE)
    assert seconds < SECONDS_ON_THE_SERVER
    eventually(lambda: nothing_runs(store))


@pytest.mark.parametrize("query", [{}, {"aggregations": [("count", "*")]}], ids=["find", "aggregate"])
def test_a_query_whose_caller_is_gone_ends(store: MongodbStorage, query: dict[str, Any]) -> None:
    error, seconds = ended_by(store, 60.0, lambda: False, **query)
    assert type(error) is CancelledError
    assert seconds < SECONDS_ON_THE_SERVER
    eventually(lambda: nothing_runs(store))


def test_other_queries_are_answered_after_one_was_ended(store: MongodbStorage) -> None:
    ended_by(store, 0.1, lambda: True)
    budget = QueryBudget(60.0, lambda: True, time.monotonic)
    assert len(list(store.records.find(Collection.TASKS, parse_query({"task_id": "t7"}), budget))) == 1
    assert len(list(store.records.find(Collection.TASKS, parse_query(projection=["task_id"]), budget))) == 500
