"""What every ``Storage`` promises about telling its state."""

from __future__ import annotations

import pytest

from flowcept.errors import UnavailableError
from flowcept_service.domain.store_state import SLOWEST_CONSUMERS, ConsumerPosition
from tests.conformance.harness import StoreHarness, task


class TellingAboutTheLog:
    def test_the_state_has_the_bounds_of_the_log(self, store: StoreHarness) -> None:
        assert store.storage.state().log.last == 0

        store.storage.records.write([task(f"t{n}") for n in range(10)])

        assert store.storage.state().log == store.storage.events.bounds()

    def test_the_slowest_consumers_come_first_and_all_are_counted(self, store: StoreHarness) -> None:
        store.storage.records.write([task(f"t{n}") for n in range(100)])
        for number in range(SLOWEST_CONSUMERS + 5):
            store.storage.events.acknowledge(f"consumer {number}", 90 - number)

        state = store.storage.state()

        assert state.consumers == SLOWEST_CONSUMERS + 5
        assert len(state.slowest_consumers) == SLOWEST_CONSUMERS
        assert state.slowest_consumers[0] == ConsumerPosition(
            f"consumer {SLOWEST_CONSUMERS + 4}", 86 - SLOWEST_CONSUMERS
        )

    def test_a_closed_store_is_told_to_be_away(self, store: StoreHarness) -> None:
        store.storage.close()

        with pytest.raises(UnavailableError):
            store.storage.state()


class TellingAboutBytes:
    def test_what_is_staged_is_counted_until_it_is_dropped(self, store: StoreHarness) -> None:
        before = store.storage.state()
        staging = store.storage.payloads.stage("u1", "o1", store.clock())
        staging = store.storage.payloads.append(staging, [b"x" * 3000], store.clock())
        store.storage.payloads.stage("u2", "o2", store.clock())

        state = store.storage.state()
        assert (before.staged_uploads, before.staged_bytes) == (0, 0)
        assert (state.staged_uploads, state.staged_bytes) == (2, staging.size)

        store.storage.payloads.discard("u1")
        state = store.storage.state()
        assert (state.staged_uploads, state.staged_bytes) == (1, 0)

    def test_databases_grow_with_what_they_hold(self, store: StoreHarness) -> None:
        state = store.storage.state()

        assert state.databases
        assert all(0 < database.used_bytes <= database.file_bytes for database in state.databases)
        assert state.free_disk_bytes is not None
        assert state.free_disk_bytes > 0

    def test_writers_live_and_nothing_waits_for_them_when_nothing_happens(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t1")])

        writers = store.storage.writers()

        assert writers
        assert all(writer.alive and writer.waiting == 0 for writer in writers)

        store.storage.close()
        assert not any(writer.alive for writer in store.storage.writers())


class StateSuite(TellingAboutTheLog, TellingAboutBytes): ...
