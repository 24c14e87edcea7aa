"""When periodic work is done, how it ends, and what becomes of what it raises."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from threading import Event

import pytest
from structlog.testing import capture_logs

from flowcept_service.periodic import Periodic
from tests.support.conditions import eventually

NEVER = 3600.0
OFTEN = 0.001


class Work:
    """Counts how often it is done; does as the test says."""

    def __init__(self) -> None:
        self.times = 0
        self.failure: Exception | None = None

    def __call__(self) -> None:
        self.times += 1
        if self.failure is not None:
            raise self.failure

    def is_done_twice_more(self) -> None:
        before = self.times
        eventually(lambda: self.times >= before + 2)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def often(work: Work) -> Iterator[Periodic]:
    periodic = Periodic("work", work, lambda: OFTEN)
    yield periodic
    periodic.stop()


def test_work_is_done_again_and_again_until_it_is_stopped(work: Work, often: Periodic) -> None:
    often.start()
    work.is_done_twice_more()
    often.stop()
    assert "work" not in {thread.name for thread in threading.enumerate()}


def test_stopping_wakes_a_long_pause_and_nothing_was_done_in_it(work: Work) -> None:
    periodic = Periodic("work", work, lambda: NEVER)
    periodic.start()
    periodic.stop()
    assert work.times == 0
    assert "work" not in {thread.name for thread in threading.enumerate()}


def test_work_can_be_done_once_before_the_start_returns(work: Work) -> None:
    periodic = Periodic("work", work, lambda: NEVER)
    periodic.start(at_once=True)
    assert work.times == 1
    periodic.stop()


def test_the_interval_may_change_from_time_to_time(work: Work) -> None:
    intervals = iter([OFTEN, OFTEN, NEVER])
    asked = Event()

    def next_interval() -> float:
        interval = next(intervals)
        if interval == NEVER:
            asked.set()
        return interval

    periodic = Periodic("work", work, next_interval)
    periodic.start()
    assert asked.wait(10)
    periodic.stop()
    assert work.times == 2


def test_what_the_work_raises_does_not_end_it(work: Work, often: Periodic) -> None:
    work.failure = ZeroDivisionError("defect")
    with capture_logs():
        often.start(at_once=True)
        work.is_done_twice_more()
        often.stop()


def test_failures_in_a_row_are_logged_once_and_new_ones_again(work: Work, often: Periodic) -> None:
    with capture_logs() as logs:
        work.failure = ZeroDivisionError("defect")
        often.start()
        work.is_done_twice_more()
        work.failure = None
        work.is_done_twice_more()
        assert [(entry["work"], entry["log_level"], entry["exc_info"]) for entry in logs] == [("work", "error", True)]
        work.failure = ZeroDivisionError("another")
        work.is_done_twice_more()
        often.stop()
    assert len(logs) == 2


def test_work_that_hangs_is_waited_for_as_long_as_was_said() -> None:
    begun, released = Event(), Event()

    def hang() -> None:
        begun.set()
        released.wait()

    periodic = Periodic("work", hang, lambda: OFTEN)
    periodic.start()
    assert begun.wait(10)
    periodic.stop(timeout=0.001)
    assert not released.is_set()
    released.set()
    periodic.stop()
    assert "work" not in {thread.name for thread in threading.enumerate()}


def test_stopping_what_was_not_started_does_nothing(work: Work) -> None:
    periodic = Periodic("work", work, lambda: OFTEN)
    periodic.stop()
    assert work.times == 0


def test_work_that_is_woken_is_done_at_once(work: Work) -> None:
    periodic = Periodic("work", work, lambda: NEVER)
    periodic.start()
    periodic.wake()
    eventually(lambda: work.times == 1)
    periodic.stop()
    assert work.times == 1
