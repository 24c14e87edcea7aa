"""Indexes say exactly what the documents say, whatever was written, changed and deleted before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcept_service.domain.records import Collection
from flowcept_service.query import parse_query
from flowcept_service.storage.lmdb import LmdbSettings, LmdbStorage
from tests.conformance.harness import BsonEventEncoder, FakeClock, task

TEXTS = ["a", "b", "", "long " * 100 + "a", "long " * 100 + "b"]
values = st.one_of(st.sampled_from(TEXTS), st.none(), st.integers(0, 2), st.lists(st.sampled_from(TEXTS), max_size=3))
writes = st.builds(
    lambda name, workflow, activity: task(name, workflow_id=workflow, activity_id=activity),
    st.sampled_from([f"t{n}" for n in range(8)]),
    values,
    values,
)
steps = st.lists(st.lists(writes, min_size=1, max_size=5) | st.sampled_from(TEXTS), max_size=8)
"""Batches of messages, and workflows to delete."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LmdbStorage]:
    """One store for all examples: each goes on where the one before has left it."""
    directory: Path = tmp_path_factory.mktemp("collection")
    opened = LmdbStorage(LmdbSettings(directory, map_size=1 << 20), BsonEventEncoder(), FakeClock())
    yield opened
    opened.close()


def names(store: LmdbStorage, query: dict[str, Any]) -> list[str]:
    return sorted(bson.decode(data)["task_id"] for data in store.records.find(Collection.TASKS, parse_query(query)))


def holds(value: object, text: str) -> bool:
    return value == text or (isinstance(value, list) and text in value)


@settings(max_examples=25)
@given(steps)
def test_an_index_finds_what_looking_at_every_document_finds(store: LmdbStorage, steps: list[Any]) -> None:
    for step in steps:
        if isinstance(step, str):
            store.records.delete("workflow_id", step)
        else:
            store.records.write(step)
    documents = [bson.decode(data) for data in store.records.find(Collection.TASKS, parse_query({}))]
    assert len(documents) == store.records.count(Collection.TASKS)

    for field in ("workflow_id", "activity_id"):
        for text in TEXTS:
            expected = sorted(document["task_id"] for document in documents if holds(document[field], text))
            assert names(store, {field: text}) == expected
            either = sorted(d["task_id"] for d in documents if holds(d[field], text) or holds(d[field], "a"))
            assert names(store, {field: {"$in": [text, "a"]}}) == either
    for document in documents:
        assert store.records.get(Collection.TASKS, document["task_id"]) == document
