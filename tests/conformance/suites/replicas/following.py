"""What every ``Replica`` promises of a copy that follows its source, near or far behind."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest

from flowcept.errors import PreconditionError, Reason
from flowcept_service.domain.objects import Precondition
from flowcept_service.domain.records import Collection
from flowcept_service.domain.replication import ReplicaBatch
from flowcept_service.domain.retention import Retention
from tests.conformance.copying import LARGE, Copy, fill
from tests.conformance.harness import task

NOTHING_KEPT = Retention(events_seconds=0.0)


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
