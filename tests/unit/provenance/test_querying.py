from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

import bson
import pytest

from flowcept.errors import CancelledError
from flowcept_service.domain.merge_state import MERGE_STATE
from flowcept_service.provenance.querying import MAX_BATCH_BYTES, stream_results
from flowcept_service.query import Query, parse_query, run_bson


class Store:
    """Evaluates a query over documents, and tells how many it read and whether it was closed."""

    def __init__(self, documents: Iterable[bytes]) -> None:
        self._documents = documents
        self.read = 0
        self.closed = False

    def find(self, query: Query) -> Generator[bytes, None, None]:
        try:
            yield from run_bson(query, self._counted())
        finally:
            self.closed = True

    def _counted(self) -> Generator[bytes, None, None]:
        for document in self._documents:
            self.read += 1
            yield document


def documents(count: int, size: int = 10) -> list[bytes]:
    return [bson.encode({"n": n, "x": "y" * size}) for n in range(count)]


def same(data: bytes) -> bytes:
    return data


def always() -> bool:
    return True


def gone_after(questions: int) -> Callable[[], bool]:
    answers = iter([True] * questions)
    return lambda: next(answers, False)


def test_the_batches_hold_all_results_in_order() -> None:
    stored = documents(50_000)
    batches = list(stream_results(Store(stored).find, parse_query(), same, always))
    assert b"".join(batches) == b"".join(stored)
    assert max(map(len, batches)) <= MAX_BATCH_BYTES


def test_the_first_results_come_before_the_others_are_read() -> None:
    store = Store(documents(50_000))
    next(iter(stream_results(store.find, parse_query(), same, always)))
    assert store.read < 1000


def test_a_query_without_results_ends_without_a_batch() -> None:
    assert list(stream_results(Store(documents(3)).find, parse_query({"n": 7}), same, always)) == []


def test_a_result_larger_than_a_batch_goes_alone() -> None:
    stored = [*documents(1), *documents(1, MAX_BATCH_BYTES * 2), *documents(1)]
    assert list(stream_results(Store(stored).find, parse_query(), same, always)) == stored


def test_what_merging_remembers_is_not_shown() -> None:
    store = Store([bson.encode({MERGE_STATE: {"tags": ["x"]}, "n": 1})])
    assert list(stream_results(store.find, parse_query(), same, always)) == [bson.encode({"n": 1})]


def test_results_that_are_not_wanted_any_more_are_not_computed() -> None:
    store = Store(documents(50_000))
    stream = stream_results(store.find, parse_query(), same, gone_after(2))
    with pytest.raises(CancelledError):
        list(stream)
    assert store.closed
    assert store.read < 25_000


def test_a_scan_that_matches_nothing_ends_when_it_is_not_wanted_any_more() -> None:
    store = Store(documents(50_000))
    with pytest.raises(CancelledError):
        list(stream_results(store.find, parse_query({"n": -1}), same, gone_after(2)))
    assert store.closed
    assert store.read < 10_000


def test_closing_the_stream_closes_the_store_s_iterator() -> None:
    store = Store(documents(50_000))
    stream = stream_results(store.find, parse_query(), same, always)
    next(iter(stream))
    stream.close()
    assert store.closed
