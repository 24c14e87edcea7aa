"""What every ``RecordStore`` promises about messages that are refused or repeated."""

from __future__ import annotations

from functools import partial
from typing import NoReturn

import pytest

from flowcept.errors import InvalidArgumentError, Reason
from flowcept_service.domain.limits import MAX_RECORD_BYTES
from flowcept_service.domain.records import Collection, Document, RecordWrite, WriteOutcome
from flowcept_service.domain.retention import Retention
from tests.conformance.harness import StoreHarness, in_parallel, task

REFUSAL = InvalidArgumentError("this message cannot be merged", field="used")


def refuse(known: Document | None) -> NoReturn:
    raise REFUSAL


class RefusingMessages:
    def test_a_refused_message_changes_nothing_and_sinks_no_other(self, store: StoreHarness) -> None:
        writes = [task(f"t{n}", n=n) for n in range(500)]
        writes[123] = RecordWrite(Collection.TASKS, "t123", "m", refuse)

        outcomes = store.storage.records.write(writes)

        assert outcomes[123].error is REFUSAL
        assert not outcomes[123].duplicate
        assert store.storage.records.get(Collection.TASKS, "t123") is None
        assert [outcome.sequence for outcome in outcomes if outcome.error is None] == list(range(1, 500))
        assert store.storage.records.count(Collection.TASKS) == 499
        assert [event["id"] for event in store.events()] == [f"t{n}" for n in range(500) if n != 123]

    def test_a_refused_message_leaves_the_record_to_the_next_one(self, store: StoreHarness) -> None:
        outcomes = store.storage.records.write(
            [task("t1", a=1), RecordWrite(Collection.TASKS, "t1", "", refuse), task("t1", b=2)]
        )

        assert [outcome.sequence for outcome in outcomes] == [1, 0, 2]
        assert store.storage.records.get(Collection.TASKS, "t1") == {"task_id": "t1", "a": 1, "b": 2}

    def test_a_batch_of_refused_messages_leaves_no_trace(self, store: StoreHarness) -> None:
        store.storage.records.write([RecordWrite(Collection.TASKS, "t1", "m", refuse)] * 2)

        assert store.storage.records.count(Collection.TASKS) == 0
        assert store.storage.events.bounds().last == 0

    def test_a_record_that_grows_too_large_is_refused(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", a="x" * (MAX_RECORD_BYTES // 2))])

        large, small = store.storage.records.write([task("t1", b="x" * (MAX_RECORD_BYTES // 2)), task("t2")])

        assert large.error is not None
        assert large.error.reason == Reason.RECORD_TOO_LARGE
        assert small.sequence == 2
        assert "b" not in (store.storage.records.get(Collection.TASKS, "t1") or {})

    @pytest.mark.parametrize("value", [2**64, {1: "a"}, {"k": object()}], ids=["big integer", "integer key", "object"])
    def test_what_bson_cannot_hold_is_refused(self, store: StoreHarness, value: object) -> None:
        bad, good = store.storage.records.write([task("t1", a=value), task("t2")])

        assert bad.error is not None
        assert bad.error.reason == Reason.INVALID_DOCUMENT
        assert good.sequence == 1

    def test_a_defect_in_one_callers_merge_is_that_callers_alone(self, store: StoreHarness) -> None:
        """A merge that breaks its promise must not sink those whose messages share its commit."""

        def defect(known: Document | None) -> NoReturn:
            raise RuntimeError("defect")

        def broken() -> list[WriteOutcome]:
            with pytest.raises(RuntimeError, match="defect"):
                store.storage.records.write([task("lost"), RecordWrite(Collection.TASKS, "t", "", defect)])
            return []

        def sound(n: int) -> list[WriteOutcome]:
            return [outcome for k in range(10) for outcome in store.storage.records.write([task(f"t{n}-{k}")])]

        outcomes = in_parallel([broken] * 4 + [partial(sound, n) for n in range(4)])

        assert sorted(outcome.sequence for own in outcomes for outcome in own) == list(range(1, 41))
        assert store.storage.records.get(Collection.TASKS, "lost") is None


class RepeatingMessages:
    def test_a_repeat_is_acknowledged_and_not_stored_again(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", "m1", n=1), task("t2", "m2", n=1)])

        first, second, third = store.storage.records.write(
            [task("t1", "m1", n=2), task("t3", "m3"), task("t2", "m2", n=2)]
        )

        assert (first.duplicate, second.duplicate, third.duplicate) == (True, False, True)
        assert second.sequence == 3
        assert store.storage.records.get(Collection.TASKS, "t1") == {"task_id": "t1", "n": 1}
        assert store.storage.events.bounds().last == 3

    def test_a_repeat_within_a_batch_is_known(self, store: StoreHarness) -> None:
        outcomes = store.storage.records.write([task("t1", "m1", n=1), task("t1", "m1", n=2)])

        assert [outcome.duplicate for outcome in outcomes] == [False, True]
        assert store.storage.records.get(Collection.TASKS, "t1") == {"task_id": "t1", "n": 1}

    def test_a_repeat_is_known_after_a_restart(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", "m1")])
        store.reopen()

        assert store.storage.records.write([task("t1", "m1")]) == [WriteOutcome()]

    def test_racing_repeats_are_stored_once(self, store: StoreHarness) -> None:
        batch = [task(f"t{n}", f"m{n}") for n in range(20)]

        outcomes = in_parallel([lambda: store.storage.records.write(batch)] * 8)

        stored = [outcome.sequence for own in outcomes for outcome in own if not outcome.duplicate]
        assert sorted(stored) == list(range(1, 21))
        assert store.storage.events.bounds().last == 20

    def test_a_refused_message_may_be_sent_again_corrected(self, store: StoreHarness) -> None:
        store.storage.records.write([RecordWrite(Collection.TASKS, "t1", "m1", refuse)])

        (outcome,) = store.storage.records.write([task("t1", "m1")])

        assert outcome.sequence == 1

    def test_messages_without_an_id_are_never_repeats(self, store: StoreHarness) -> None:
        outcomes = store.storage.records.write([task("t1"), task("t1")])

        assert [outcome.sequence for outcome in outcomes] == [1, 2]

    def test_repeats_are_known_as_long_as_their_events_are_held(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", "m1"), task("t2", "m2")])
        store.clock.advance(100)
        store.storage.records.write([task("t3", "m3")])
        store.storage.sweep(Retention(events_seconds=50), store.clock())

        trimmed, held = store.storage.records.write([task("t1", "m1"), task("t3", "m3")])

        assert trimmed.sequence == 4
        assert held.duplicate
