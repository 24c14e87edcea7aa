"""The end of the log, as it is shown to people."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flowcept.errors import UnavailableError
from flowcept_service.domain.events import EventBlock
from flowcept_service.events.codec import ProtobufEventReader
from flowcept_service.server.last_events import SHOWN, LastEvents
from tests.support.clock import Clock
from tests.support.events import MemoryLog, draft


class Log(MemoryLog):
    """A log that counts its reads, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.away = False

    def read(self, after: int, max_bytes: int) -> list[EventBlock]:
        if self.away:
            raise UnavailableError("away")
        self.reads += 1
        return super().read(after, max_bytes)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def last_events(log: Log, clock: Clock) -> LastEvents:
    return LastEvents(log, ProtobufEventReader(), 5.0, clock)


def sequences(last_events: LastEvents, *, answers: bool = True) -> Sequence[int]:
    return [event.sequence for event in last_events.look(answers=answers)]


@pytest.mark.parametrize("sizes", [[1], [3, 4], [1] * 30, [30], [25, 2], [2, 25]])
def test_the_last_ones_are_shown_the_newest_first(log: Log, last_events: LastEvents, sizes: Sequence[int]) -> None:
    for size in sizes:
        log.append([draft() for _ in range(size)])
    assert sequences(last_events) == list(range(sum(sizes), max(0, sum(sizes) - SHOWN), -1))


def test_an_empty_log_and_a_trimmed_one_show_what_they_hold(log: Log, clock: Clock, last_events: LastEvents) -> None:
    assert sequences(last_events) == []
    for _ in range(8):
        log.append([draft()])
    log.trim(6)
    clock.now = 5.0
    assert sequences(last_events) == [8, 7, 6]


def test_an_event_is_shown_without_its_document(log: Log, last_events: LastEvents) -> None:
    log.append([draft("t1", document={"secret": 1})])
    (event,) = last_events.look(answers=True)
    assert (event.kind, event.action, event.id) == ("task", "created", "t1")
    assert "secret" not in str(event)


def test_however_many_ask_the_log_is_read_once_in_an_interval(log: Log, clock: Clock, last_events: LastEvents) -> None:
    log.append([draft()])
    assert [sequences(last_events) for _ in range(3)] == [[1]] * 3
    assert log.reads == 1
    log.append([draft()])
    clock.now = 5.0
    assert sequences(last_events) == [2, 1]


def test_a_log_without_news_is_not_read_again(log: Log, clock: Clock, last_events: LastEvents) -> None:
    log.append([draft()])
    sequences(last_events)
    clock.now = 5.0
    assert sequences(last_events) == [1]
    assert log.reads == 1


def test_what_was_known_stays_while_the_store_is_away(log: Log, clock: Clock, last_events: LastEvents) -> None:
    log.append([draft()])
    sequences(last_events)
    log.append([draft()])
    log.away, clock.now = True, 5.0
    assert sequences(last_events, answers=False) == [1]
    assert sequences(last_events) == [1]
    log.away, clock.now = False, 10.0
    assert sequences(last_events) == [2, 1]
