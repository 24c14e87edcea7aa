"""What every ``RecordStore`` promises: writing and deleting records."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Int64

from flowcept.errors import Reason, UnavailableError
from flowcept_service.domain.events import EventAction, EventKind
from flowcept_service.domain.records import Collection, Document, RecordWrite, WriteOutcome
from flowcept_service.query import parse_query
from tests.conformance.harness import StoreHarness, encoding, in_parallel, record, task
from tests.conformance.suites.campaigns import ConfinedDeletions
from tests.conformance.suites.messages import RefusingMessages, RepeatingMessages
from tests.support.conditions import PATIENCE


class WritingRecords:
    def test_a_new_record_is_what_its_message_says(self, store: StoreHarness) -> None:
        (outcome,) = store.storage.records.write([task("t1", workflow_id="w", used={"x": 1})])

        assert outcome == WriteOutcome(sequence=1)
        found = store.storage.records.get(Collection.TASKS, "t1")
        assert found == {"task_id": "t1", "workflow_id": "w", "used": {"x": 1}}

    def test_an_unknown_record_is_none(self, store: StoreHarness) -> None:
        assert store.storage.records.get(Collection.TASKS, "t1") is None

    def test_no_messages_have_no_outcomes_and_no_events(self, store: StoreHarness) -> None:
        assert store.storage.records.write([]) == []
        assert store.storage.events.bounds().last == 0

    def test_merging_starts_from_the_record_as_it_is(self, store: StoreHarness) -> None:
        seen: list[Document | None] = []

        def merge(known: Document | None) -> Document:
            seen.append(known)
            return {"task_id": "t1", "count": 1 if known is None else known["count"] + 1}

        write = RecordWrite(Collection.TASKS, "t1", "", encoding(Collection.TASKS, merge))
        store.storage.records.write([write])
        store.storage.records.write([write])

        assert seen[0] is None
        assert seen[-1] == {"task_id": "t1", "count": 1}
        assert store.storage.records.get(Collection.TASKS, "t1") == {"task_id": "t1", "count": 2}

    def test_messages_of_one_batch_are_merged_in_their_order(self, store: StoreHarness) -> None:
        outcomes = store.storage.records.write([task("t1", a=1, b=1), task("t2"), task("t1", b=2), task("t1", c=3)])

        assert [outcome.sequence for outcome in outcomes] == [1, 2, 3, 4]
        assert store.storage.records.get(Collection.TASKS, "t1") == {"task_id": "t1", "a": 1, "b": 2, "c": 3}

    def test_a_record_with_its_identifier_alone_is_changed_like_any_other(self, store: StoreHarness) -> None:
        for n in range(3):
            store.storage.records.write([record(Collection.AGENTS, "a", n=n), record(Collection.AGENTS, "a", m=n)])

            assert store.storage.records.get(Collection.AGENTS, "a") == {"agent_id": "a", "n": n, "m": n}
        assert store.storage.records.count(Collection.AGENTS) == 1

    def test_one_batch_may_hold_records_of_every_kind(self, store: StoreHarness) -> None:
        kinds = (Collection.TASKS, Collection.WORKFLOWS, Collection.AGENTS)
        store.storage.records.write([record(kind, "same-id", note=kind.value) for kind in kinds])

        for kind in kinds:
            found = store.storage.records.get(kind, "same-id")
            assert found is not None
            assert found["note"] == kind.value
            assert store.storage.records.count(kind) == 1

    def test_records_are_counted_by_campaign(self, store: StoreHarness) -> None:
        records = store.storage.records
        records.write([task(f"t{n}", campaign_id="c" if n % 3 else "other") for n in range(30)])
        records.write([task("t1", used={"x": 1}), task("of no campaign")])
        assert [records.count(Collection.TASKS, name) for name in ("c", "other", "none", "")] == [20, 10, 0, 0]
        records.delete("campaign_id", "other")
        assert [records.count(Collection.TASKS, name) for name in ("c", "other")] == [20, 0]

    def test_what_is_returned_is_a_copy(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", used={"x": 1})])
        first = store.storage.records.get(Collection.TASKS, "t1")
        assert first is not None
        first["used"]["x"] = 2

        assert store.storage.records.get(Collection.TASKS, "t1") == {"task_id": "t1", "used": {"x": 1}}

    def test_values_come_back_as_they_were(self, store: StoreHarness) -> None:
        values: dict[str, Any] = {
            "int64": Int64(2**62),
            "float": -0.5,
            "text": "$used $$ROOT é",
            "bytes": b"\x00\xff",
            "none": None,
            "list": [1, [2, {"a": []}]],
            "nested": {"$ref": "x", "a.b": 1, "$id": {"": True}},
        }
        store.storage.records.write([task("t1", **values)])

        found = store.storage.records.get(Collection.TASKS, "t1")
        assert found == {"task_id": "t1", **values}
        assert type(found["int64"]) is Int64

    def test_times_come_back_in_utc(self, store: StoreHarness) -> None:
        moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
        store.storage.records.write([task("t1", started_at=moment)])

        found = store.storage.records.get(Collection.TASKS, "t1")
        assert found is not None
        assert found["started_at"] == moment

    def test_records_outlive_the_process(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}", n=n) for n in range(100)])
        store.reopen()

        assert store.storage.records.count(Collection.TASKS) == 100
        assert store.storage.records.get(Collection.TASKS, "t99") == {"task_id": "t99", "n": 99}

    def test_long_identifiers_with_one_beginning_stay_apart(self, store: StoreHarness) -> None:
        names = ["x" * 254 + end for end in "ab"]
        store.storage.records.write([task(name, n=n) for n, name in enumerate(names)])

        assert [(store.storage.records.get(Collection.TASKS, name) or {})["n"] for name in names] == [0, 1]

    def test_writers_to_one_record_lose_nothing(self, store: StoreHarness) -> None:
        def increment(known: Document | None) -> Document:
            return {"task_id": "t1", "count": 1 + (known or {"count": 0})["count"]}

        def client() -> list[int]:
            writes = [RecordWrite(Collection.TASKS, "t1", "", encoding(Collection.TASKS, increment))] * 5
            return [outcome.sequence for _ in range(5) for outcome in store.storage.records.write(writes)]

        sequences = [sequence for own in in_parallel([client] * 8) for sequence in own]

        assert store.storage.records.get(Collection.TASKS, "t1") == {"task_id": "t1", "count": 200}
        assert sorted(sequences) == list(range(1, 201))


class EventsOfRecords:
    def test_every_message_has_its_event(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", workflow_id="w", campaign_id="c", activity_id="a", n=1)])
        store.storage.records.write([record(Collection.WORKFLOWS, "w"), task("t1", n=2)])

        created, workflow, updated = store.events()

        assert [created["sequence"], workflow["sequence"], updated["sequence"]] == [1, 2, 3]
        assert (created["kind"], created["action"], created["id"]) == (EventKind.TASK, EventAction.CREATED, "t1")
        assert (created["workflow_id"], created["campaign_id"], created["activity_id"]) == ("w", "c", "a")
        assert (created["object_type"], created["object_version"]) == ("", 0)
        assert created["document"]["n"] == 1
        assert (workflow["kind"], workflow["action"]) == (EventKind.WORKFLOW, EventAction.CREATED)
        assert (updated["action"], updated["document"]["n"]) == (EventAction.UPDATED, 2)

    def test_events_of_one_record_in_one_batch_tell_each_step(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", n=1), task("t1", n=2)])

        assert [(event["action"], event["document"]["n"]) for event in store.events()] == [
            (EventAction.CREATED, 1),
            (EventAction.UPDATED, 2),
        ]

    def test_an_event_knows_when_it_was_committed(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1")])

        (event,) = store.events()
        assert event["commit_time"].replace(tzinfo=UTC) == store.clock()

    def test_fields_that_are_no_text_are_left_out_of_the_event(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", workflow_id=None, campaign_id=7)])

        (event,) = store.events()
        assert (event["workflow_id"], event["campaign_id"]) == ("", "")


class DeletingRecords:
    def test_records_of_a_workflow_go_and_others_stay(self, store: StoreHarness) -> None:
        store.storage.records.write(
            [
                task("t1", workflow_id="w1"),
                task("t2", workflow_id="w2"),
                task("t3", workflow_id="w1"),
                record(Collection.WORKFLOWS, "w1"),
                record(Collection.WORKFLOWS, "w2"),
                record(Collection.AGENTS, "a1", workflow_id="w1"),
            ]
        )

        deleted = store.storage.records.delete("workflow_id", "w1")

        assert deleted == {Collection.TASKS: 2, Collection.WORKFLOWS: 1, Collection.AGENTS: 1}
        assert [found["task_id"] for found in store.find(Collection.TASKS)] == ["t2"]
        assert [found["workflow_id"] for found in store.find(Collection.WORKFLOWS)] == ["w2"]
        assert store.find(Collection.TASKS, {"workflow_id": "w1"}) == []
        assert store.storage.records.get(Collection.TASKS, "t1") is None

    def test_records_of_a_campaign_go(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", campaign_id="c1"), task("t2"), record(Collection.WORKFLOWS, "w1")])

        deleted = store.storage.records.delete("campaign_id", "c1")

        assert deleted == {Collection.TASKS: 1, Collection.WORKFLOWS: 0, Collection.AGENTS: 0}

    def test_each_deletion_has_an_event_with_the_record_as_it_was(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", workflow_id="w", n=5)])
        store.storage.records.delete("workflow_id", "w")

        event = store.events()[-1]
        assert (event["action"], event["id"], event["workflow_id"]) == (EventAction.DELETED, "t1", "w")
        assert event["document"] == {"task_id": "t1", "workflow_id": "w", "n": 5}

    def test_deleting_nothing_has_no_event(self, store: StoreHarness) -> None:
        deleted = store.storage.records.delete("workflow_id", "w")

        assert sum(deleted.values()) == 0
        assert store.storage.events.bounds().last == 0

    def test_many_records_go(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}", workflow_id="w") for n in range(1200)])

        assert store.storage.records.delete("workflow_id", "w")[Collection.TASKS] == 1200
        assert store.storage.records.count(Collection.TASKS) == 0
        assert store.storage.events.bounds().last == 2400

    def test_a_deleted_record_may_be_made_anew(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1", workflow_id="w", n=1)])
        store.storage.records.delete("workflow_id", "w")
        store.storage.records.write([task("t1", workflow_id="w")])

        assert store.find(Collection.TASKS, {"workflow_id": "w"}) == [{"task_id": "t1", "workflow_id": "w"}]
        assert store.events()[-1]["action"] is EventAction.CREATED


class ClosedRecords:
    def test_calls_after_close_are_unavailable(self, store: StoreHarness) -> None:
        records = store.storage.records
        store.storage.close()
        store.storage.close()

        for call in (
            lambda: records.write([task("t1")]),
            lambda: records.get(Collection.TASKS, "t1"),
            lambda: list(records.find(Collection.TASKS, parse_query())),
            lambda: records.count(Collection.TASKS),
            lambda: records.delete("workflow_id", "w"),
        ):
            with pytest.raises(UnavailableError) as caught:
                call()
            assert caught.value.reason == Reason.STORAGE_UNAVAILABLE

    def test_writes_under_way_are_finished(self, store: StoreHarness) -> None:
        started = threading.Event()
        stored: list[int] = []

        def client() -> None:
            for n in range(1000):
                try:
                    (outcome,) = store.storage.records.write([task(f"t{n}")])
                except UnavailableError:
                    return
                stored.append(outcome.sequence)
                started.set()

        thread = threading.Thread(target=client)
        thread.start()
        assert started.wait(PATIENCE)
        store.storage.close()
        thread.join(PATIENCE)
        store.reopen()

        assert store.storage.events.bounds().last == len(stored)
        assert store.storage.records.count(Collection.TASKS) == len(stored)


class RecordSuite(
    WritingRecords,
    RefusingMessages,
    RepeatingMessages,
    EventsOfRecords,
    DeletingRecords,
    ConfinedDeletions,
    ClosedRecords,
):
    """Everything about writing records."""
