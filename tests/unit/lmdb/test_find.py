"""An equality on an indexed field looks at the documents that it finds, and at no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flowcept.errors import CancelledError
from flowcept_service.domain.records import INDEXED_FIELDS, RECORD_KINDS, Collection
from flowcept_service.query import QueryBudget, parse_query
from flowcept_service.storage.lmdb import _find
from tests.conformance.harness import record, task
from tests.unit.lmdb.conftest import Open


@pytest.fixture
def no_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("this query must not scan")

    monkeypatch.setattr(_find, "_scan", refuse)


@pytest.mark.usefixtures("no_scan")
@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind in RECORD_KINDS for field in INDEXED_FIELDS[kind]])
def test_an_equality_on_an_indexed_field_does_not_scan(
    tmp_path: Path, open_store: Open, kind: Collection, field: str
) -> None:
    store = open_store(tmp_path)
    fields: dict[str, Any] = {} if field == INDEXED_FIELDS[kind][0] else {field: "x"}
    store.records.write([record(kind, "x", **fields)])

    for condition in ("x", {"$in": ["x", "y"]}, {"$eq": "x"}):
        assert len(list(store.records.find(kind, parse_query({field: condition, "other": None})))) == 1


@pytest.mark.usefixtures("no_scan")
def test_a_filter_that_nothing_can_match_does_not_scan(tmp_path: Path, open_store: Open) -> None:
    store = open_store(tmp_path)
    store.records.write([task("t1", workflow_id="w")])

    assert list(store.records.find(Collection.TASKS, parse_query({"workflow_id": {"$in": []}}))) == []


@pytest.mark.parametrize("field", ["parent_task_id", "workflow_id"])
def test_of_several_fields_the_one_that_fewer_documents_share_is_looked_up(
    tmp_path: Path, open_store: Open, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """Filters of callers that are confined to a campaign pin that too, and it may be most of the store."""
    store = open_store(tmp_path)
    store.records.write([task(f"t{n}", campaign_id="c", **{field: f"{n}"}) for n in range(100)])
    decoded: list[object] = []
    monkeypatch.setattr(_find, "_by_value", _counting(_find._by_value, decoded))

    query = parse_query({"$and": [{"campaign_id": {"$in": ["c"]}}, {field: "7"}]})

    assert len(list(store.records.find(Collection.TASKS, query))) == len(decoded) == 1


def _counting(find: Any, found: list[object]) -> Any:
    def counted(*arguments: Any) -> Iterator[Any]:
        with closing(find(*arguments)) as documents:
            for document in documents:
                found.append(document)
                yield document

    return counted


def test_documents_that_an_index_names_exactly_are_not_decoded(
    tmp_path: Path, open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path)
    store.records.write([task(f"t{n}", workflow_id="w") for n in range(10)])
    query = parse_query({"workflow_id": "w"}, limit=5)

    def refuse(*_: object) -> None:
        raise AssertionError("nothing has to be decoded")

    monkeypatch.setattr("flowcept_service.query._run.decode", refuse)

    assert len(list(store.records.find(Collection.TASKS, query))) == 5


def test_without_a_sort_documents_come_in_the_order_of_their_insertion(tmp_path: Path, open_store: Open) -> None:
    store = open_store(tmp_path)
    store.records.write([task(f"t{n * 7 % 10}", workflow_id=f"w{n % 3}") for n in range(10)])
    store.records.write([task("t0", workflow_id="w1")])
    filters: list[dict[str, Any]] = [
        {},
        {"workflow_id": {"$in": ["w0", "w1", "w2"]}},
        {"task_id": {"$in": [f"t{n}" for n in range(10)]}},
    ]

    for query in filters:
        found = store.records.find(Collection.TASKS, parse_query(query, ["task_id"]))
        assert [document[-3:-2] for document in found] == [str(n * 7 % 10).encode() for n in range(10)]


@pytest.mark.parametrize(
    "filter",
    [{}, {"n": -1}, {"missing": "x"}, {"workflow_id": "w"}, {"workflow_id": {"$in": ["w", "v"]}, "n": -1}],
    ids=["all", "scan", "prefiltered", "index", "indexes"],
)
def test_every_way_to_find_documents_asks_the_budget(tmp_path: Path, open_store: Open, filter: dict[str, Any]) -> None:
    store = open_store(tmp_path)
    store.records.write([task(f"t{n}", workflow_id="w", n=n, text="x" * 2000) for n in range(500)])
    budget = QueryBudget(0.0, lambda: False, count().__next__)
    with pytest.raises(CancelledError):
        list(store.records.find(Collection.TASKS, parse_query(filter), budget))
