from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

import bson
import pytest

from flowcept.errors import CancelledError, Reason, ResourceExhaustedError
from flowcept_service.domain.merge_state import MERGE_STATE
from flowcept_service.provenance.querying import MAX_BATCH_BYTES, Queries, QuerySettings
from flowcept_service.query import FilterLimits, Foreground, Lane, Query, QueryBudget, parse_query, run_bson, within
from tests.support.conditions import PATIENCE


def queries_of(
    settings: QuerySettings | None = None, clock: Callable[[], float] = time.monotonic, lane: Lane | None = None
) -> Queries:
    return Queries(settings or QuerySettings(), FilterLimits(), clock, lane or Lane(Foreground(), 100, lambda _: None))


QUERIES = queries_of()


class Store:
    """Evaluates a query over documents, and tells how many it read and whether it was closed."""

    def __init__(self, documents: Iterable[bytes]) -> None:
        self._documents = documents
        self.read = 0
        self.closed = False

    def find(self, query: Query, budget: QueryBudget) -> Generator[bytes, None, None]:
        try:
            yield from run_bson(query, within(budget, self._counted()))
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
    batches = list(QUERIES.stream(Store(stored).find, parse_query(), same, always))
    assert b"".join(batches) == b"".join(stored)
    assert max(map(len, batches)) <= MAX_BATCH_BYTES


def test_the_first_results_come_before_the_others_are_read() -> None:
    store = Store(documents(50_000))
    next(iter(QUERIES.stream(store.find, parse_query(), same, always)))
    assert store.read < 50_000 / 5


def test_a_query_without_results_ends_without_a_batch() -> None:
    assert list(QUERIES.stream(Store(documents(3)).find, parse_query({"n": 7}), same, always)) == []


def test_a_result_larger_than_a_batch_goes_alone() -> None:
    stored = [*documents(1), *documents(1, MAX_BATCH_BYTES * 2), *documents(1)]
    assert list(QUERIES.stream(Store(stored).find, parse_query(), same, always)) == stored


def test_what_merging_remembers_is_not_shown() -> None:
    store = Store([bson.encode({MERGE_STATE: {"tags": ["x"]}, "n": 1})])
    assert list(QUERIES.stream(store.find, parse_query(), same, always)) == [bson.encode({"n": 1})]


def test_results_that_are_not_wanted_any_more_are_not_computed() -> None:
    store = Store(documents(50_000))
    stream = QUERIES.stream(store.find, parse_query(), same, gone_after(2))
    with pytest.raises(CancelledError):
        list(stream)
    assert store.closed
    assert store.read < 25_000


def test_a_scan_that_matches_nothing_ends_when_it_is_not_wanted_any_more() -> None:
    store = Store(documents(50_000))
    with pytest.raises(CancelledError):
        list(QUERIES.stream(store.find, parse_query({"n": -1}), same, gone_after(2)))
    assert store.closed
    assert store.read < 10_000


def test_closing_the_stream_closes_the_store_s_iterator() -> None:
    store = Store(documents(50_000))
    stream = QUERIES.stream(store.find, parse_query(), same, always)
    next(iter(stream))
    stream.close()
    assert store.closed


class FakeTime:
    """Seconds that pass when somebody looks, or as told."""

    def __init__(self, per_look: float = 0.0) -> None:
        self._per_look = per_look
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += self._per_look
        return self.seconds


@pytest.mark.parametrize("filter", [{}, {"n": -1}, {"missing": "pinned"}], ids=["all", "none", "prefiltered"])
def test_every_scan_ends_when_its_time_is_up(filter: dict[str, Any]) -> None:
    store = Store(documents(50_000))
    queries = queries_of(QuerySettings(seconds=2.0), FakeTime(per_look=1.0))
    with pytest.raises(ResourceExhaustedError) as raised:
        list(queries.stream(store.find, parse_query(filter), same, always))
    assert (raised.value.reason, dict(raised.value.metadata)) == (Reason.QUERY_TOO_EXPENSIVE, {"limit_seconds": "2"})
    assert store.closed
    assert store.read < 10_000


def test_the_time_that_a_client_takes_for_the_results_does_not_count() -> None:
    clock = FakeTime()
    queries = queries_of(QuerySettings(seconds=10.0), clock)
    batches = []
    for batch in queries.stream(Store(documents(100_000)).find, parse_query(), same, always):
        batches.append(batch)
        clock.seconds += 8.0
    assert len(batches) > 3
    assert b"".join(batches) == b"".join(documents(100_000))


def test_results_beyond_their_bound_are_refused() -> None:
    queries = queries_of(QuerySettings(result_bytes=100_000))
    sent: list[bytes] = []
    with pytest.raises(ResourceExhaustedError) as raised:
        sent.extend(queries.stream(Store(documents(20_000)).find, parse_query(), same, always))
    assert (raised.value.reason, raised.value.metadata["limit"]) == (Reason.RESULT_TOO_LARGE, "100000")


def test_the_time_that_a_scan_rests_does_not_count() -> None:
    clock = FakeTime(per_look=0.001)

    def sleep(seconds: float) -> None:
        clock.seconds += 1000 * seconds

    foreground = Foreground()
    foreground.begin("a call")
    rests: list[float] = []
    lane = Lane(foreground, 10, rests.append, worked=clock, sleep=sleep)
    stored = documents(1000)
    queries = queries_of(QuerySettings(seconds=10.0), clock, lane)
    assert b"".join(queries.stream(Store(stored).find, parse_query(), same, always)) == b"".join(stored)
    assert 1000 * sum(rests) > 20.0


def test_queries_that_scan_take_turns_and_quick_ones_do_not_wait_for_them() -> None:
    looked_at: Counter[str] = Counter()
    quick_ones, other = Event(), Event()
    (document,) = documents(1, 10_000)

    def until(end: Callable[[], bool]) -> Generator[bytes, None, None]:
        """Documents until what happens meanwhile has happened."""
        deadline = time.monotonic() + PATIENCE
        while not end():
            assert time.monotonic() < deadline, "one query waits for the end of another one"
            yield document

    def find(name: str, source: Iterable[bytes], query: Query, budget: QueryBudget) -> Generator[bytes, None, None]:
        for found in within(budget, source):
            looked_at[name] += 1
            yield from () if query.filter else (found,)

    def run(name: str, source: Iterable[bytes]) -> None:
        list(QUERIES.stream(partial(find, name, source), parse_query({"x": 0}), same, always))

    def run_other() -> None:
        # The long one comes on too, though its turn is over, and quick ones are done before either ends.
        long_at_first = looked_at["long"]
        run("other", until(lambda: quick_ones.is_set() and looked_at["long"] > long_at_first + 100))
        other.set()

    with ThreadPoolExecutor(2) as pool:
        scans = [pool.submit(run, "long", until(other.is_set)), pool.submit(run_other)]
        for _ in range(20):
            run("quick", documents(5, 10_000))
        quick_ones.set()
        for scan in scans:
            scan.result()
    assert looked_at["quick"] == 100
