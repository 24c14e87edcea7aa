"""Group commit: who shares a commit, who fails, and what that costs the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flowcept.errors import InvalidArgumentError, PreconditionError, Reason, UnavailableError
from flowcept_service.storage.lmdb import LmdbSettings
from flowcept_service.storage.lmdb._environment.environment import Environment, TableKind
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._environment.writer import GroupWriter
from tests.support.conditions import PATIENCE, eventually


class CountingListener:
    """Counts transactions."""

    def __init__(self) -> None:
        self.begun = self.finished = self.commits = 0
        self.refused = 0
        """Which of the transactions to come cannot be finished; 0 for none."""

    def begin(self) -> None:
        self.begun += 1

    def finish(self, txn: WriteTransaction) -> None:
        self.finished += 1
        if self.finished == self.refused:
            raise RuntimeError("this commit is refused")

    def committed(self) -> None:
        self.commits += 1


class Bench:
    """A writer on a small environment, whose groups a test composes."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.settings = LmdbSettings(directory, map_size=1 << 18, **settings)
        self.environment = Environment(directory / "env", "test", {"t": TableKind()}, self.settings)
        self.table = self.environment.table("t")
        self.listener = CountingListener()
        self.writer = GroupWriter(self.environment, self.settings, self.listener)
        self.pool = ThreadPoolExecutor(64)
        self.gate = threading.Event()

    def put(self, key: str, value: bytes = b"v") -> Callable[[WriteTransaction], str]:
        def operation(txn: WriteTransaction) -> str:
            txn.put(key.encode(), value, self.table)
            return key

        return operation

    def together(self, *operations: Callable[[WriteTransaction], Any], size: int = 0) -> list[Future[Any]]:
        """Submit operations so that they wait for one commit, in their order."""
        entered = threading.Event()

        def blocking(txn: WriteTransaction) -> None:
            entered.set()
            assert self.gate.wait(PATIENCE)

        self.gate.clear()
        blocked = self.pool.submit(self.writer.submit, blocking)
        assert entered.wait(PATIENCE)
        futures = []
        for count, operation in enumerate(operations, 1):
            futures.append(self.pool.submit(self.writer.submit, operation, size=size))
            eventually(partial(self._are_waiting, count))
        self.listener.begun = self.listener.finished = self.listener.commits = 0
        self.gate.set()
        blocked.result(PATIENCE)
        return futures

    def _are_waiting(self, count: int) -> bool:
        return self.writer.queue._queue.qsize() == count

    def value(self, key: str) -> bytes | None:
        with self.environment.read() as txn:
            return txn.get(key.encode(), db=self.table)

    def close(self) -> None:
        self.gate.set()
        self.writer.close()
        self.environment.close()
        self.pool.shutdown()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def refuse(txn: WriteTransaction) -> None:
    raise InvalidArgumentError("refused")


def test_what_waits_shares_a_commit(bench: Bench) -> None:
    futures = bench.together(*(bench.put(f"k{n}") for n in range(20)))

    assert [future.result(PATIENCE) for future in futures] == [f"k{n}" for n in range(20)]
    assert bench.listener.commits == 1


def test_operations_see_what_those_before_them_wrote(bench: Bench) -> None:
    _, read = bench.together(bench.put("k", b"new"), lambda txn: txn.get(b"k", bench.table))

    assert read.result(PATIENCE) == b"new"


@pytest.mark.parametrize("many", [False, True])
def test_what_cannot_be_appended_is_damage_and_nothing_of_its_operation_is_kept(bench: Bench, many: bool) -> None:
    bench.writer.submit(bench.put("m"))

    def append(txn: WriteTransaction) -> None:
        txn.put(b"beside", b"v", bench.table)
        if many:
            txn.put_many([(b"x", b"v"), (b"c", b"v"), (b"z", b"v")], bench.table, append=True)
        else:
            txn.put(b"c", b"v", bench.table, append=True)

    appended, other = bench.together(append, bench.put("other"))

    with pytest.raises(PreconditionError, match="1 new keys do not lie behind all others") as raised:
        appended.result(PATIENCE)
    assert raised.value.reason is Reason.STORAGE_INCOMPATIBLE
    assert other.result(PATIENCE) == "other"
    assert [bench.value(key) for key in ("beside", "x", "c", "z")] == [None] * 4


def test_an_operation_that_only_reads_commits_nothing(bench: Bench) -> None:
    (read,) = bench.together(lambda txn: txn.get(b"k", bench.table))

    assert read.result(PATIENCE) is None
    assert bench.listener.commits == 0


def test_a_refusal_before_the_first_write_costs_the_others_nothing(bench: Bench) -> None:
    first, refused, last = bench.together(bench.put("a"), refuse, bench.put("b"))

    assert (first.result(PATIENCE), last.result(PATIENCE)) == ("a", "b")
    with pytest.raises(InvalidArgumentError):
        refused.result(PATIENCE)
    assert bench.listener.commits == 1


def test_a_failure_after_a_write_fails_its_caller_alone(bench: Bench) -> None:
    def half(txn: WriteTransaction) -> None:
        txn.put(b"half", b"v", bench.table)
        raise RuntimeError("half-way")

    first, failed, last = bench.together(bench.put("a"), half, bench.put("b"))

    assert (first.result(PATIENCE), last.result(PATIENCE)) == ("a", "b")
    with pytest.raises(RuntimeError, match="half-way"):
        failed.result(PATIENCE)
    assert bench.value("half") is None
    assert (bench.value("a"), bench.value("b")) == (b"v", b"v")


def test_when_a_commit_fails_each_is_tried_alone(bench: Bench) -> None:
    bench.listener.refused = 2  # the first is that of the operation which the others wait behind

    futures = bench.together(bench.put("a"), bench.put("b"))

    assert [future.result(PATIENCE) for future in futures] == ["a", "b"]
    assert bench.listener.commits == 2


def test_an_error_of_the_database_fails_its_caller_alone(bench: Bench) -> None:
    def bad_key(txn: WriteTransaction) -> None:
        txn.put(b"k" * 600, b"v", bench.table)

    first, failed, last = bench.together(bench.put("a"), bad_key, bench.put("b"))

    assert (first.result(PATIENCE), last.result(PATIENCE)) == ("a", "b")
    with pytest.raises(UnavailableError):
        failed.result(PATIENCE)


def test_the_map_grows_under_a_group(bench: Bench) -> None:
    """Four megabytes into a quarter of one; readers go on meanwhile."""
    value = b"x" * 200_000
    stop = threading.Event()

    def read() -> int:
        count = 0
        # With a pause, or two threads that never wait would keep the interpreter from all others.
        while not stop.wait(0.001):
            assert bench.value("k0") in (None, value)
            count += 1
        return count

    readers = [bench.pool.submit(read) for _ in range(2)]
    futures = bench.together(*(bench.put(f"k{n}", value) for n in range(20)))
    for future in futures:
        future.result(PATIENCE)
    stop.set()

    assert all(reader.result(PATIENCE) > 0 for reader in readers)
    assert all(bench.value(f"k{n}") == value for n in range(20))


def test_a_commit_is_bounded_in_bytes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, commit_bytes=1000)
    futures = bench.together(*(bench.put(f"k{n}") for n in range(10)), size=500)
    for future in futures:
        future.result(PATIENCE)

    assert bench.listener.commits == 5
    bench.close()


def test_a_change_may_wait_for_company(tmp_path: Path) -> None:
    """With an interval, those that come within it share one commit, and a full group goes at once."""
    bench = Bench(tmp_path, flush_interval=PATIENCE, flush_size=10)

    futures = [bench.pool.submit(bench.writer.submit, bench.put(f"k{n}")) for n in range(10)]

    assert sorted(future.result(PATIENCE / 2) for future in futures) == sorted(f"k{n}" for n in range(10))
    assert bench.listener.commits == 1
    bench.close()


def test_nobody_waits_longer_than_the_interval(tmp_path: Path) -> None:
    bench = Bench(tmp_path, flush_interval=0.05, flush_size=1000)

    assert bench.writer.submit(bench.put("alone")) == "alone"
    bench.close()


def test_closing_finishes_what_waits_and_refuses_what_comes_later(bench: Bench) -> None:
    futures = bench.together(*(bench.put(f"k{n}") for n in range(5)))

    bench.writer.close()
    bench.writer.close()

    assert [future.result(PATIENCE) for future in futures] == [f"k{n}" for n in range(5)]
    with pytest.raises(UnavailableError):
        bench.writer.submit(bench.put("late"))
