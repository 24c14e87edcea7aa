"""An iterator that runs ahead of its consumer: in order, within its bound, and gone when it is closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.blobs.prefetch import Prefetch
from tests.support.conditions import PATIENCE, eventually


def prefetch(source: Iterator[bytes], limit: int = 100) -> Prefetch[bytes]:
    return Prefetch(source, len, limit, "test-prefetch")


@given(st.lists(st.binary(max_size=40)), st.integers(1, 60))
def test_items_come_in_order_whatever_the_bound(items: list[bytes], limit: int) -> None:
    assert list(prefetch(iter(items), limit)) == items


def test_the_source_runs_ahead_by_the_bound_and_no_further() -> None:
    made: list[int] = []

    def source() -> Iterator[bytes]:
        for number in range(50):
            made.append(number)
            yield bytes(10)

    ahead = prefetch(source(), limit=100)
    eventually(lambda: len(made) == 11)  # ten that fit, and one that waits for room
    assert len(next(ahead)) == 10
    eventually(lambda: len(made) == 12)
    ahead.close()


def test_an_item_over_the_bound_goes_alone() -> None:
    assert [len(item) for item in prefetch(iter([bytes(500), bytes(1), bytes(500)]))] == [500, 1, 500]


def test_what_the_source_raises_comes_after_what_it_gave() -> None:
    def source() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("broken")

    ahead = prefetch(source())
    assert next(ahead) == b"a"
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            next(ahead)


def test_closing_ends_the_thread_and_the_source() -> None:
    ended = threading.Event()

    def source() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(60)
        finally:
            ended.set()

    ahead = prefetch(source())
    next(ahead)
    ahead.close()
    assert ended.wait(PATIENCE)
    eventually(lambda: not any(thread.name == "test-prefetch" for thread in threading.enumerate()))
