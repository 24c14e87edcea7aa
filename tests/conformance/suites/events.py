"""What every ``EventLog`` promises."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from flowcept.errors import OutOfRangeError, Reason, UnavailableError
from flowcept_service.domain.records import Collection
from flowcept_service.domain.retention import Retention
from tests.conformance.harness import StoreHarness, batches, decode_frames, in_parallel, task
from tests.support.conditions import PATIENCE

DEADLINE = PATIENCE


class ReadingEvents:
    def test_an_empty_log_holds_nothing(self, store: StoreHarness) -> None:
        bounds = store.storage.events.bounds()

        assert (bounds.oldest, bounds.last, bounds.size_bytes) == (1, 0, 0)
        assert store.storage.events.read(0, 1000) == []

    def test_sequences_start_at_one_and_have_no_gaps(self, store: StoreHarness) -> None:
        for batch in batches([task(f"t{n}") for n in range(100)], 7):
            store.storage.records.write(batch)

        assert [event["sequence"] for event in store.events()] == list(range(1, 101))
        assert store.storage.events.bounds().last == 100

    def test_reading_starts_behind_a_sequence(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}") for n in range(10)])
        store.storage.records.write([task(f"t{n}") for n in range(10, 20)])

        for after in range(20):
            blocks = store.storage.events.read(after, 1 << 20)
            assert blocks[0].first <= after + 1 <= blocks[0].last
            assert blocks[-1].last == 20
        assert store.storage.events.read(20, 1 << 20) == []

    def test_a_block_holds_the_events_that_it_says(self, store: StoreHarness) -> None:
        for batch in batches([task(f"t{n}") for n in range(100)], 9):
            store.storage.records.write(batch)

        blocks = store.storage.events.read(0, 1 << 20)

        for block in blocks:
            sequences = [event["sequence"] for event in decode_frames(block.frames)]
            assert sequences == list(range(block.first, block.last + 1))
        assert [block.first for block in blocks[1:]] == [block.last + 1 for block in blocks[:-1]]

    def test_a_read_is_bounded_and_has_at_least_one_block(self, store: StoreHarness) -> None:
        for n in range(20):
            store.storage.records.write([task(f"t{n}", filling="x" * 10_000)])

        assert len(store.storage.events.read(0, 1)) == 1
        few = store.storage.events.read(0, 50_000)
        assert 1 < len(few) < 20
        assert sum(len(block.frames) for block in few) <= 50_000

    def test_blocks_stay_small_enough_to_send(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}", filling="x" * 100_000) for n in range(60)])

        blocks = store.storage.events.read(0, 1 << 30)

        assert max(len(block.frames) for block in blocks) < 2 << 20
        assert blocks[-1].last == 60

    def test_a_large_event_goes_through(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", filling="x" * 2_900_000)])

        (event,) = store.events()
        assert len(event["document"]["filling"]) == 2_900_000

    def test_what_was_not_reached_is_out_of_range(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1")])

        with pytest.raises(OutOfRangeError) as caught:
            store.storage.events.read(2, 1000)

        assert caught.value.reason == Reason.SEQUENCE_NOT_REACHED
        assert caught.value.metadata["last_sequence"] == "1"

    def test_the_log_outlives_the_process(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}") for n in range(10)])
        before = store.storage.events.bounds()
        store.reopen()
        assert store.storage.events.bounds() == before
        store.storage.records.write([task("t10")])

        assert [event["sequence"] for event in store.events()] == list(range(1, 12))

    def test_all_kinds_share_one_sequence(self, store: StoreHarness) -> None:
        def records(client: int) -> list[int]:
            return [store.storage.records.write([task(f"t{client}-{n}")])[0].sequence for n in range(25)]

        def objects(client: int) -> list[int]:
            return [store.save(f"o{client}", b"x").sequence for _ in range(25)]

        calls: list[Callable[[], list[int]]] = [partial(records, n) for n in range(4)]
        calls += [partial(objects, n) for n in range(4)]
        sequences = [sequence for own in in_parallel(calls) for sequence in own]

        assert sorted(sequences) == list(range(1, 201))
        assert [event["sequence"] for event in store.events()] == list(range(1, 201))


class TrimmingEvents:
    def fill(self, store: StoreHarness) -> None:
        """Ten events, a hundred seconds apart."""
        for n in range(10):
            store.storage.records.write([task(f"t{n}")])
            store.clock.advance(100)

    def test_old_events_go(self, store: StoreHarness) -> None:
        self.fill(store)

        result = store.storage.sweep(Retention(events_seconds=350), store.clock())

        assert result.events == 7
        bounds = store.storage.events.bounds()
        assert (bounds.oldest, bounds.last) == (8, 10)
        assert [event["sequence"] for event in store.events(after=7)] == [8, 9, 10]

    def test_the_oldest_events_go_when_the_log_is_too_large(self, store: StoreHarness) -> None:
        self.fill(store)
        limit = store.storage.events.bounds().size_bytes // 2

        store.storage.sweep(Retention(events_bytes=limit), store.clock())

        bounds = store.storage.events.bounds()
        assert 0 < bounds.size_bytes <= limit
        assert 1 < bounds.oldest <= 10
        assert bounds.last == 10

    def test_what_was_trimmed_is_out_of_range(self, store: StoreHarness) -> None:
        self.fill(store)
        store.storage.sweep(Retention(events_seconds=350), store.clock())

        for after in (0, 6):
            with pytest.raises(OutOfRangeError) as caught:
                store.storage.events.read(after, 1000)
            assert caught.value.reason == Reason.EVENTS_TRIMMED
            assert caught.value.metadata["oldest_sequence"] == "8"
        assert store.storage.events.read(7, 1000)[0].first == 8

    def test_sequences_go_on_after_everything_was_trimmed(self, store: StoreHarness) -> None:
        self.fill(store)
        store.storage.sweep(Retention(events_seconds=0), store.clock())
        bounds = store.storage.events.bounds()
        assert (bounds.oldest, bounds.last, bounds.size_bytes) == (11, 10, 0)
        assert store.storage.events.read(10, 1000) == []

        store.reopen()
        (outcome,) = store.storage.records.write([task("next")])

        assert outcome.sequence == 11
        assert [event["sequence"] for event in store.events(after=10)] == [11]

    def test_records_outlive_their_events(self, store: StoreHarness) -> None:
        self.fill(store)
        store.storage.sweep(Retention(events_seconds=0), store.clock())

        assert store.storage.records.count(Collection.TASKS) == 10

    def test_a_reader_that_follows_is_told_when_the_log_was_trimmed_under_it(self, store: StoreHarness) -> None:
        self.fill(store)
        position = store.storage.events.read(0, 1)[0].last
        store.storage.sweep(Retention(events_seconds=350), store.clock())

        with pytest.raises(OutOfRangeError, match="no longer held"):
            store.storage.events.read(position, 1000)


class WaitingForEvents:
    def test_what_is_there_needs_no_waiting(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1")])

        assert store.storage.events.wait(0, timeout=0.0)

    def test_the_wait_ends_after_its_time(self, store: StoreHarness) -> None:
        assert not store.storage.events.wait(0, timeout=0.05)

    def test_a_commit_wakes_every_waiter(self, store: StoreHarness) -> None:
        def follow() -> int:
            assert store.storage.events.wait(0, DEADLINE)
            return store.storage.events.read(0, 1000)[-1].last

        def commit() -> int:
            return store.storage.records.write([task("t1")])[0].sequence

        assert in_parallel([follow] * 10 + [commit]) == [1] * 11

    def test_a_follower_sees_every_event_in_order(self, store: StoreHarness) -> None:
        total = 300

        def follow() -> list[int]:
            seen: list[int] = []
            while len(seen) < total and store.storage.events.wait(len(seen), DEADLINE):
                for block in store.storage.events.read(len(seen), 10_000):
                    behind = len(seen)
                    seen += [e["sequence"] for e in decode_frames(block.frames) if e["sequence"] > behind]
            return seen

        def publish(client: int) -> list[int]:
            for batch in batches([task(f"t{client}-{n}") for n in range(total // 3)], 4):
                store.storage.records.write(batch)
            return []

        results = in_parallel([follow] * 3 + [partial(publish, client) for client in range(3)])

        assert results[:3] == [list(range(1, total + 1))] * 3

    def test_closing_wakes_the_waiters(self, store: StoreHarness) -> None:
        answers: list[bool] = []
        waiting = threading.Thread(target=lambda: answers.append(store.storage.events.wait(0, DEADLINE)))
        waiting.start()

        store.storage.close()

        waiting.join(DEADLINE / 2)
        assert answers == [False]


class ConsumerPositions:
    def test_an_unknown_consumer_has_no_position(self, store: StoreHarness) -> None:
        assert store.storage.events.position("c") is None

    def test_positions_move_forward_and_never_backward(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}") for n in range(5)])

        assert store.storage.events.acknowledge("c", 3) == 3
        assert store.storage.events.acknowledge("c", 1) == 3
        assert store.storage.events.acknowledge("c", 5) == 5
        assert store.storage.events.position("c") == 5
        assert store.storage.events.position("other") is None

    def test_a_consumer_can_be_made_at_the_very_beginning(self, store: StoreHarness) -> None:
        assert store.storage.events.acknowledge("c", 0) == 0
        assert store.storage.events.position("c") == 0

    def test_what_was_not_reached_cannot_be_acknowledged(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1")])

        with pytest.raises(OutOfRangeError) as caught:
            store.storage.events.acknowledge("c", 2)

        assert caught.value.reason == Reason.SEQUENCE_NOT_REACHED
        assert store.storage.events.position("c") is None

    def test_positions_outlive_the_process_and_the_events(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1"), task("t2")])
        store.storage.events.acknowledge("c", 2)
        store.storage.sweep(Retention(events_seconds=0), store.clock.advance(10))
        store.reopen()

        assert store.storage.events.position("c") == 2

    def test_a_deleted_consumer_is_not_known_any_more(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1"), task("t2")])
        store.storage.events.acknowledge("c", 2)
        store.storage.events.acknowledge("other", 1)

        assert store.storage.events.delete_consumer("c") == 2

        assert store.storage.events.position("c") is None
        assert store.storage.events.position("other") == 1
        assert store.storage.state().consumers == 1

    def test_a_consumer_that_is_not_known_cannot_be_deleted(self, store: StoreHarness) -> None:
        store.storage.events.acknowledge("c", 0)

        assert store.storage.events.delete_consumer("c") == 0
        assert store.storage.events.delete_consumer("c") is None

    def test_a_deleted_consumer_may_be_made_anew_further_back(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1"), task("t2")])
        store.storage.events.acknowledge("c", 2)

        store.storage.events.delete_consumer("c")

        assert store.storage.events.acknowledge("c", 1) == 1

    def test_a_deletion_outlives_the_process(self, store: StoreHarness) -> None:
        store.storage.events.acknowledge("c", 0)
        store.storage.events.delete_consumer("c")
        store.reopen()

        assert store.storage.events.position("c") is None

    def test_racing_acknowledgements_end_at_the_furthest(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}") for n in range(40)])

        in_parallel([partial(store.storage.events.acknowledge, "c", n) for n in range(33, 41)])

        assert store.storage.events.position("c") == 40


class ClosedLog:
    def test_calls_after_close_are_unavailable(self, store: StoreHarness) -> None:
        log = store.storage.events
        store.storage.close()

        for call in (
            log.bounds,
            lambda: log.read(0, 1),
            lambda: log.position("c"),
            lambda: log.acknowledge("c", 0),
            lambda: store.storage.sweep(Retention(), store.clock()),
        ):
            with pytest.raises(UnavailableError):
                call()


class EventSuite(ReadingEvents, TrimmingEvents, WaitingForEvents, ConsumerPositions, ClosedLog):
    """Everything about the event log."""
