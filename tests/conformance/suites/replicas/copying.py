"""What every ``Replica`` promises of a copy as a whole, one that is interrupted included."""

from __future__ import annotations

import os
from typing import Any

import pytest

from flowcept.errors import PreconditionError, Reason
from flowcept_service.domain.merge_state import MERGE_STATE
from flowcept_service.domain.objects import Precondition
from flowcept_service.domain.records import Collection
from flowcept_service.domain.retention import Retention
from flowcept_service.replication.state import check_complete
from flowcept_service.storage.documents import DATA_FIELD
from tests.conformance.copying import LARGE, Copy, contents, fill
from tests.conformance.harness import task


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
