"""What every ``Replica`` promises, as the source and as the target of a copy."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import bson
import pytest

from flowcept.errors import InvalidArgumentError, PreconditionError, Reason
from flowcept_service.domain.merge_state import MERGE_STATE
from flowcept_service.domain.objects import Precondition
from flowcept_service.domain.records import Collection, Document
from flowcept_service.domain.replication import ReplicaBatch, RowKey
from flowcept_service.domain.retention import Retention
from flowcept_service.replication.state import check_complete
from flowcept_service.storage.documents import DATA_FIELD
from tests.conformance.copying import LARGE, Copy, all_rows, contents, fill
from tests.conformance.harness import task

NOTHING_KEPT = Retention(events_seconds=0.0)


class Copying:
    def test_a_copy_holds_everything_that_its_source_holds(self, copy: Copy) -> None:
        fill(copy.source)

        copy.run()

        copy.assert_equal()

    def test_a_copy_of_nothing_is_nothing(self, copy: Copy) -> None:
        copy.run()

        copy.assert_equal()
        assert copy.target.storage.events.bounds().last == 0

    def test_copying_twice_changes_nothing(self, copy: Copy) -> None:
        fill(copy.source)
        copy.run()

        progress = copy.run().meter.read()

        assert (progress.changed_rows, progress.payloads, progress.events) == (0, 0, 0)
        copy.assert_equal()

    def test_what_merging_remembers_is_copied_though_no_reader_sees_it(self, copy: Copy) -> None:
        for name, remembered in (("before", {"a": 1}), ("after", {"b": 2})):
            fields: dict[str, Any] = {MERGE_STATE: {"times": remembered}}
            copy.source.storage.records.write([task(name, **fields)])
            copy.run()

        for name, remembered in (("before", {"a": 1}), ("after", {"b": 2})):
            document = copy.target.storage.records.get(Collection.TASKS, name)
            assert document is not None
            assert document[MERGE_STATE] == {"times": remembered}

    def test_a_repeat_is_known_to_the_copy(self, copy: Copy) -> None:
        copy.source.storage.records.write([task("t1", "m1")])
        first = copy.source.save("object", b"data", request_id="r1")
        copy.run()
        copy.source.storage.records.write([task("t2", "m2")])
        second = copy.source.save("object", b"more", request_id="r2")
        copy.run()

        outcomes = copy.target.storage.records.write([task("t1", "m1"), task("t2", "m2")])

        assert [outcome.duplicate for outcome in outcomes] == [True, True]
        assert copy.target.storage.objects.committed("r1") == first.object
        assert copy.target.storage.objects.committed("r2") == second.object

    def test_a_copy_goes_on_by_itself(self, copy: Copy) -> None:
        fill(copy.source)
        copy.run()
        last = copy.source.storage.events.bounds().last

        outcome = copy.target.storage.records.write([task("t0-1", more=True)])[0]
        saved = copy.target.save("kept", b"next")

        assert (outcome.sequence, saved.sequence) == (last + 1, last + 2)
        document = copy.target.storage.records.get(Collection.TASKS, "t0-1")
        assert document is not None
        assert (document["n"], document["state"], document["more"]) == (1, 1, True)
        assert saved.object.version == 4
        assert copy.target.read("kept", 3) == copy.source.read("kept", 3)

    def test_documents_keep_the_order_of_their_insertion(self, copy: Copy) -> None:
        copy.source.storage.records.write([task(f"t{n}") for n in (5, 3, 9, 1)])
        copy.run()
        copy.source.storage.records.write([task(f"t{n}") for n in (8, 2, 7)])
        copy.run()

        assert [row["task_id"] for row in copy.target.find(Collection.TASKS)] == [
            f"t{n}" for n in (5, 3, 9, 1, 8, 2, 7)
        ]

    def test_queries_by_index_find_what_was_copied(self, copy: Copy) -> None:
        fill(copy.source)
        copy.run()

        for collection, query in (
            (Collection.TASKS, {"workflow_id": "w1"}),
            (Collection.OBJECTS, {"workflow_id": "w1"}),
            (Collection.OBJECT_HISTORY, {"object_id": "kept"}),
        ):
            found = copy.target.find(collection, query)
            assert found
            assert found == copy.source.find(collection, query)
            assert all(DATA_FIELD not in document for document in found)

    def test_a_damaged_payload_is_reported_and_everything_else_is_copied(self, copy: Copy) -> None:
        damaged = copy.source.save("damaged", os.urandom(LARGE), control_version=False)
        copy.source.save("sound", os.urandom(LARGE))
        assert damaged.object.payload_id is not None
        copy.source.lose_bytes(damaged.object.payload_id)

        progress = copy.run().meter.read()

        assert [(found.object_id, found.version) for found in progress.damaged] == [("damaged", 0)]
        assert copy.target.read("sound") == copy.source.read("sound")
        assert copy.target.storage.objects.get("damaged").data_sha256 == damaged.object.data_sha256

    def test_the_payloads_of_a_copy_are_its_own(self, copy: Copy) -> None:
        fill(copy.source)
        copy.run()

        held = copy.target.held_payloads()
        copy.target.storage.sweep(Retention(staged_seconds=0, unreferenced_seconds=0), copy.source.clock.advance(60))

        assert copy.target.held_payloads() == held
        contents(copy.replicable()[1])

    def test_bytes_that_nobody_refers_to_any_longer_are_swept_from_a_copy(self, copy: Copy) -> None:
        copy.source.save("object", os.urandom(LARGE), control_version=False)
        copy.run()
        copy.source.save("object", os.urandom(LARGE), control_version=False)
        copy.run()
        assert len(copy.target.held_payloads()) == 2

        copy.target.storage.sweep(Retention(), copy.source.clock.advance(1))

        latest = copy.target.storage.objects.get("object")
        assert copy.target.held_payloads() == {latest.payload_id}


class Following:
    def test_changes_follow(self, copy: Copy) -> None:
        replication = copy.run()
        fill(copy.source)

        while replication.step():
            pass

        copy.assert_equal()

    def test_each_step_is_a_state_that_the_source_had(self, copy: Copy) -> None:
        replication = copy.run()
        for n in range(12):
            copy.source.storage.records.write([task("t1", n=n, filling="x" * 400_000)])
            copy.source.save("object", f"{n}".encode())

        seen = []
        while replication.step():
            document = copy.target.storage.records.get(Collection.TASKS, "t1")
            last = copy.target.storage.events.bounds().last
            seen.append(last)
            assert document is not None
            assert document["n"] == (last - 1) // 2
            if last > 1:
                assert copy.target.storage.objects.get("object").version == last // 2 - 1
        assert len(seen) > 2
        copy.assert_equal()

    def test_events_keep_their_sequences_and_bytes(self, copy: Copy) -> None:
        replication = copy.run()
        fill(copy.source)
        while replication.step():
            pass

        events = copy.target.events()
        assert events == copy.source.events()
        assert all(after["sequence"] == before["sequence"] + 1 for before, after in pairwise(events))

    def test_waiters_at_the_copy_are_woken(self, copy: Copy) -> None:
        replication = copy.run()
        copy.source.storage.records.write([task("t1")])
        while replication.step():
            pass

        assert copy.target.storage.events.wait(0, 10.0)

    def test_consumers_follow_without_events(self, copy: Copy) -> None:
        copy.source.storage.records.write([task(f"t{n}") for n in range(5)])
        replication = copy.run()

        copy.source.storage.events.acknowledge("reader", 4)
        assert replication.step()

        assert copy.target.storage.events.position("reader") == 4
        assert not replication.step()

    def test_deleted_consumers_follow_without_events(self, copy: Copy) -> None:
        copy.source.storage.records.write([task(f"t{n}") for n in range(5)])
        copy.source.storage.events.acknowledge("reader", 4)
        copy.source.storage.events.acknowledge("other", 4)
        replication = copy.run()

        copy.source.storage.events.delete_consumer("reader")
        assert replication.step()

        assert copy.target.storage.events.position("reader") is None
        assert copy.target.storage.events.position("other") == 4
        assert not replication.step()

    def test_a_consumer_that_was_deleted_while_nobody_followed_goes_too(self, copy: Copy) -> None:
        copy.source.storage.records.write([task("t1")])
        copy.source.storage.events.acknowledge("reader", 1)
        copy.run()
        copy.source.storage.events.delete_consumer("reader")
        copy.source.storage.records.write([task("t2")])

        copy.run()

        assert copy.target.storage.events.position("reader") is None
        copy.assert_equal()

    def test_a_consumer_that_was_made_anew_follows_again(self, copy: Copy) -> None:
        copy.source.storage.records.write([task(f"t{n}") for n in range(5)])
        copy.source.storage.events.acknowledge("reader", 4)
        replication = copy.run()
        copy.source.storage.events.delete_consumer("reader")
        replication.step()

        copy.source.storage.events.acknowledge("reader", 4)
        assert replication.step()

        assert copy.target.storage.events.position("reader") == 4

    def test_a_version_that_was_overwritten_before_it_was_copied_is_skipped(self, copy: Copy) -> None:
        replication = copy.run()
        for n in range(3):
            copy.source.save("object", os.urandom(LARGE + n), control_version=False)
        copy.source.storage.sweep(Retention(), copy.source.clock.advance(1))

        while replication.step():
            pass

        copy.assert_equal()
        assert replication.meter.read().damaged == ()

    def test_an_object_that_was_deleted_and_made_again_follows(self, copy: Copy) -> None:
        replication = copy.run()
        for n in range(3):
            copy.source.save("object", f"first {n}".encode(), control_version=False)
        copy.source.storage.objects.delete("object", Precondition(), copy.source.clock())
        copy.source.save("object", b"second", control_version=False)
        while replication.step():
            pass
        copy.assert_equal()

        copy.source.save("object", b"third")
        while replication.step():
            pass

        copy.assert_equal()
        assert copy.target.read("object", 0) == b"second"

    def test_what_is_not_applied_yet_may_be_applied_by_another_process(self, copy: Copy) -> None:
        copy.run()
        fill(copy.source)
        copy.begin().step()
        copy.target.reopen()

        copy.run()

        copy.assert_equal()

    def test_blocks_that_do_not_continue_the_log_are_refused(self, copy: Copy) -> None:
        copy.source.storage.records.write([task("t1")])
        copy.source.storage.records.write([task("t2")])
        source, target = copy.replicable()

        with pytest.raises(PreconditionError) as caught:
            target.replica.apply(ReplicaBatch(b"", blocks=source.replica.changes(1, 1)))

        assert caught.value.reason is Reason.STORAGE_INCOMPATIBLE
        assert target.events.bounds().last == 0
        assert target.replica.state() is None


class Interrupted:
    def test_a_copy_that_is_stopped_after_any_step_goes_on(self, copy: Copy) -> None:
        fill(copy.source)
        replication = copy.begin()
        steps = 0
        while replication.step():
            steps += 1
            copy.target.reopen()
            replication = copy.begin()

        copy.assert_equal()
        assert steps > 8

    def test_changes_during_a_copy_are_not_lost(self, copy: Copy) -> None:
        fill(copy.source)
        replication = copy.begin()
        n = 0
        while replication.state.copying is not None:
            replication.step()
            n += 1
            copy.source.storage.records.write([task("t0-0", step=n), task(f"new-{n}")])
            copy.source.save("kept", f"step {n}".encode(), request_id=f"step-{n}")
            copy.source.save("overwritten", os.urandom(LARGE), control_version=False)
            copy.source.storage.records.delete("workflow_id", f"w{n}")
            assert n < 100
        while replication.step():
            pass

        copy.assert_equal()

    def test_objects_deleted_and_made_again_during_a_copy_are_right_in_the_end(self, copy: Copy) -> None:
        for n in range(5):
            for _ in range(n + 1):
                copy.source.save(f"o{n}", os.urandom(50), control_version=False)
        replication = copy.begin()
        steps = 0
        while replication.state.copying is not None:
            replication.step()
            for n in range(5):
                copy.source.storage.objects.delete(f"o{n}", Precondition(), copy.source.clock())
                for _ in range((n + steps) % 4 + 1):
                    copy.source.save(f"o{n}", os.urandom(50), control_version=False)
            steps += 1
            assert steps < 100
        while replication.step():
            pass

        copy.assert_equal()

    def test_an_unfinished_copy_is_not_served(self, copy: Copy) -> None:
        fill(copy.source)
        replication = copy.begin()
        replication.step()
        _, target = copy.replicable()

        with pytest.raises(PreconditionError) as caught:
            check_complete(target.replica, "the target")
        assert caught.value.reason is Reason.STORAGE_INCOMPATIBLE

        while replication.step():
            pass
        check_complete(target.replica, "the target")

    def test_bytes_that_were_staged_are_not_copied_again(self, copy: Copy) -> None:
        saved = copy.source.save("object", os.urandom(LARGE))
        payload_id = saved.object.payload_id
        data = copy.source.read("object")
        staging = copy.target.storage.payloads.stage(
            f"copy of payload {payload_id}", f"copy of payload {payload_id}", copy.source.clock(), payload_id
        )
        copy.target.storage.payloads.append(staging, [data[:500_000]], copy.source.clock())

        progress = copy.run().meter.read()

        assert progress.payload_bytes == LARGE - 500_000
        copy.assert_equal()


class Behind:
    def test_a_copy_that_the_log_no_longer_reaches_is_compared_and_goes_on(self, copy: Copy) -> None:
        fill(copy.source)
        copy.run()
        copy.source.storage.records.delete("workflow_id", "w1")
        copy.source.storage.objects.delete("overwritten", Precondition(), copy.source.clock())
        copy.source.storage.records.write([task("t0-0", changed=True), task("new")])
        copy.source.save("kept", b"one more")
        copy.source.storage.sweep(NOTHING_KEPT, copy.source.clock.advance(60))
        copy.source.storage.records.write([task("newest")])

        progress = copy.run().meter.read()

        copy.assert_equal()
        assert progress.changed_rows < 150

    def test_a_log_that_is_trimmed_during_a_copy_makes_it_begin_again(self, copy: Copy) -> None:
        fill(copy.source)
        replication = copy.begin()
        for _ in range(3):
            replication.step()
        copy.source.storage.records.write([task("new")])
        copy.source.storage.records.delete("workflow_id", "w1")
        copy.source.storage.sweep(NOTHING_KEPT, copy.source.clock.advance(60))

        while replication.step():
            pass

        copy.assert_equal()


class Refused:
    def test_a_store_with_data_of_its_own_is_left_alone(self, copy: Copy) -> None:
        fill(copy.source)
        copy.target.storage.records.write([task("mine")])

        with pytest.raises(PreconditionError) as caught:
            copy.begin()

        assert caught.value.reason is Reason.STORAGE_INCOMPATIBLE
        assert "--replace" in caught.value.message
        assert copy.target.storage.records.get(Collection.TASKS, "mine") is not None

    def test_it_is_replaced_when_asked_to(self, copy: Copy) -> None:
        fill(copy.source)
        fill(copy.target)
        copy.target.storage.records.write([task("mine")])
        copy.target.save("mine", os.urandom(LARGE))
        copy.target.storage.events.acknowledge("mine", 2)

        copy.run(replace=True)

        copy.assert_equal()

    def test_a_copy_that_was_written_to_is_left_alone(self, copy: Copy) -> None:
        fill(copy.source)
        copy.run()
        copy.target.storage.records.write([task("mine")])
        with pytest.raises(PreconditionError):
            copy.begin()
        copy.source.storage.records.write([task("theirs"), task("theirs too")])

        with pytest.raises(PreconditionError):
            copy.begin()

    def test_the_original_may_follow_its_copy(self, copy: Copy) -> None:
        fill(copy.source)
        copy.run()
        copy.target.storage.records.write([task("written to the copy")])
        copy.target.save("kept", b"written to the copy")

        back = Copy(copy.target, copy.source)
        back.run()

        back.assert_equal()
        back.close()

    def test_a_store_is_no_copy_of_itself(self, copy: Copy) -> None:
        with pytest.raises(InvalidArgumentError):
            Copy(copy.source, copy.source).begin()


class Reading:
    def test_stored_documents_are_found_by_their_keys(self, copy: Copy) -> None:
        fill(copy.source)
        source, _ = copy.replicable()
        for collection in Collection:
            rows = all_rows(source, collection)
            assert rows
            assert source.replica.stored(list(rows)) == list(rows.values())
        missing: list[RowKey] = [RowKey(Collection.TASKS, "none"), RowKey(Collection.OBJECT_HISTORY, "kept", 99)]
        assert source.replica.stored(missing) == [None, None]

    def test_pages_are_bounded_and_complete(self, copy: Copy) -> None:
        copy.source.storage.records.write([task(f"t{n}", text="x" * 1000) for n in range(100)])
        source, _ = copy.replicable()

        first = source.replica.rows(Collection.TASKS, b"", 10_000)

        assert 5 < len(first.rows) < 15
        assert len(all_rows(source, Collection.TASKS)) == 100

    def test_rows_carry_no_bytes_of_payloads(self, copy: Copy) -> None:
        copy.source.save("object", b"secret", in_object=True)
        copy.source.save("object", b"secret too", in_object=True)
        source, _ = copy.replicable()

        for collection in (Collection.OBJECTS, Collection.OBJECT_HISTORY):
            documents: list[Document] = [bson.decode(data) for data in all_rows(source, collection).values()]
            assert documents
            assert all(DATA_FIELD not in document for document in documents)

    def test_a_store_has_one_name_for_ever(self, copy: Copy) -> None:
        source, target = copy.replicable()
        name = source.replica.identity()
        assert name != target.replica.identity()

        copy.source.reopen()

        assert copy.replicable()[0].replica.identity() == name


class ReplicaSuite(Copying, Following, Interrupted, Behind, Refused, Reading):
    """All of it."""
