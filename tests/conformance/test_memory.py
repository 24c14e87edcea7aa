"""Without a database, the log keeps the contract for as long as the process lives; the rest is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from flowcept.errors import PreconditionError, Reason
from flowcept_service.domain.events import EventAction
from flowcept_service.domain.objects import Precondition
from flowcept_service.domain.records import Collection
from flowcept_service.domain.retention import Retention
from flowcept_service.query import parse_query
from flowcept_service.storage.contract import Storage
from flowcept_service.storage.memory import MemorySettings, MemoryStorage
from tests.conformance.harness import StoreHarness, task
from tests.conformance.suites.events import ConsumerPositions, ReadingEvents, TrimmingEvents, WaitingForEvents
from tests.conformance.suites.states import TellingAboutTheLog

GONE: Any = None
"""Takes a test out of a suite: it is about what outlives the process, or about blobs."""


class MemoryHarness(StoreHarness):
    def open(self) -> Storage:
        return MemoryStorage(MemorySettings(log_bytes=64 << 20), self.encoder, self.clock)

    def held_payloads(self) -> set[ObjectId]:
        return set()

    def lose_bytes(self, payload_id: ObjectId) -> None:
        raise AssertionError("there are no payloads")


@pytest.fixture
def store() -> Iterator[StoreHarness]:
    harness = MemoryHarness()
    yield harness
    harness.storage.close()


class TestReadingEvents(ReadingEvents):
    test_the_log_outlives_the_process = GONE
    test_all_kinds_share_one_sequence = GONE


class TestTrimmingEvents(TrimmingEvents):
    test_sequences_go_on_after_everything_was_trimmed = GONE
    test_records_outlive_their_events = GONE


class TestWaitingForEvents(WaitingForEvents): ...


class TestTellingAboutTheLog(TellingAboutTheLog): ...


class TestConsumerPositions(ConsumerPositions):
    test_positions_outlive_the_process_and_the_events = GONE


def test_a_message_is_merged_into_the_record_while_its_last_event_is_held(store: StoreHarness) -> None:
    store.storage.records.write([task("t1", a=1)])
    store.storage.records.write([task("t1", b=2), task("t1", c=3)])

    events = store.events()

    assert [event["action"] for event in events] == [EventAction.CREATED, EventAction.UPDATED, EventAction.UPDATED]
    assert events[-1]["document"] == {"task_id": "t1", "a": 1, "b": 2, "c": 3}


def test_a_record_begins_anew_when_its_last_event_was_trimmed(store: StoreHarness) -> None:
    store.storage.records.write([task("t1", a=1), task("t2", a=1)])
    store.storage.records.write([task("t2", b=2)])
    now = store.clock.advance(10)
    store.storage.records.write([task("t3")])
    store.storage.sweep(Retention(events_seconds=5), now + timedelta(seconds=1))

    store.storage.records.write([task("t1", b=2)])

    assert store.events(after=4)[-1]["document"] == {"task_id": "t1", "b": 2}


def test_a_repeated_message_is_known_while_its_event_is_held(store: StoreHarness) -> None:
    first = store.storage.records.write([task("t1", "m1"), task("t1", "m1")])
    again = store.storage.records.write([task("t1", "m1"), task("t1", "m2")])

    assert [outcome.duplicate for outcome in (*first, *again)] == [False, True, True, False]
    assert store.storage.events.bounds().last == 2


def test_the_log_is_bounded_without_a_sweep(store: StoreHarness) -> None:
    storage = MemoryStorage(MemorySettings(log_bytes=1 << 20), store.encoder, store.clock)
    for n in range(100):
        storage.records.write([task(f"t{n}", filling="x" * 50_000)])

    bounds = storage.events.bounds()
    assert bounds.last == 100
    assert bounds.oldest > 70
    assert bounds.size_bytes <= 1 << 20


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.records.get(Collection.TASKS, "t1"),
        lambda store: store.records.find(Collection.TASKS, parse_query({})),
        lambda store: store.records.count(Collection.TASKS),
        lambda store: store.records.delete("workflow_id", "w1"),
        lambda store: store.objects.get("o1"),
        lambda store: store.objects.versions("o1", None, 10),
        lambda store: store.objects.committed("r1"),
        lambda store: store.objects.delete("o1", Precondition(), None),
        lambda store: store.payloads.stage("u1", "o1", None),
        lambda store: store.payloads.staged("u1"),
        lambda store: store.payloads.discard("u1"),
        lambda store: store.payloads.write([b"x"], "", in_object=True),
    ],
)
def test_what_needs_a_database_says_so_and_how_to_get_one(store: StoreHarness, call: Callable[[Any], Any]) -> None:
    with pytest.raises(PreconditionError) as caught:
        call(store.storage)

    assert caught.value.reason is Reason.NO_DATABASE
    assert "--store lmdb" in caught.value.message
