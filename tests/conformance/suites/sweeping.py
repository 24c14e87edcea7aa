"""What a sweep does to payloads, in every store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from flowcept.errors import (
    NotFoundError,
    Reason,
)
from flowcept_service.domain.retention import Retention, SweepResult
from tests.conformance.harness import StoreHarness, digest, in_parallel
from tests.conformance.suites.uploads import MIB, commit, some_bytes

HOUR = 3600.0
DAY = 24 * HOUR


class SweepingPayloads:
    def sweep(self, store: StoreHarness) -> SweepResult:
        return store.storage.sweep(Retention(), store.clock())

    def test_overwritten_bytes_go(self, store: StoreHarness) -> None:
        for n in range(5):
            store.save("a", f"bytes {n}".encode(), control_version=False)

        result = self.sweep(store)

        assert (result.payloads, result.payload_bytes) == (4, 28)
        assert len(store.held_payloads()) == 1
        assert store.read("a") == b"bytes 4"

    def test_kept_versions_keep_their_bytes(self, store: StoreHarness) -> None:
        for n in range(5):
            store.save("a", f"bytes {n}".encode())
        store.clock.advance(7 * DAY)

        assert self.sweep(store).payloads == 0
        assert [store.read("a", n) for n in range(5)] == [f"bytes {n}".encode() for n in range(5)]

    def test_a_sweep_of_nothing_removes_nothing(self, store: StoreHarness) -> None:
        assert self.sweep(store) == SweepResult()

    def test_an_upload_expires_when_nothing_more_arrives(self, store: StoreHarness) -> None:
        staging = store.upload(b"data", "old", "a")
        store.clock.advance(DAY - 10)
        store.upload(b"data", "young", "b")
        assert self.sweep(store).uploads == 0
        store.clock.advance(20)

        assert self.sweep(store).uploads == 1

        assert store.storage.payloads.staged("old") is None
        assert store.storage.payloads.staged("young") is not None
        assert staging.payload_id not in store.held_payloads()

    def test_an_upload_that_grows_does_not_expire(self, store: StoreHarness) -> None:
        staging = store.upload(b"data", "u", "a")
        store.clock.advance(DAY - 10)
        store.storage.payloads.append(staging, [b"more"], store.clock())
        store.clock.advance(20)

        assert self.sweep(store).uploads == 0
        assert store.storage.payloads.staged("u") is not None

    def test_an_expired_staging_of_a_committed_upload_keeps_the_version(self, store: StoreHarness) -> None:
        staging = store.upload(b"data", "u", "a")
        commit(store, staging, b"data")
        store.clock.advance(2 * DAY)

        self.sweep(store)

        assert store.read("a") == b"data"

    def test_bytes_that_never_became_a_version_go_after_a_while(self, store: StoreHarness) -> None:
        data = some_bytes(MIB)
        store.storage.payloads.write([data], digest(data), in_object=False)
        assert len(store.held_payloads()) == 1
        assert self.sweep(store).payloads == 0
        store.clock.advance(2 * HOUR)

        result = self.sweep(store)

        assert (result.payloads, result.payload_bytes) == (1, MIB)
        assert store.held_payloads() == set()

    def test_bytes_of_an_upload_under_way_stay(self, store: StoreHarness) -> None:
        staging = store.upload(b"data", "u", "a")
        store.clock.advance(3 * HOUR)

        assert self.sweep(store).payloads == 0
        assert b"".join(store.storage.payloads.read_staged(staging)) == b"data"

    def test_a_held_version_is_read_to_its_end(self, store: StoreHarness) -> None:
        data = some_bytes(3 * MIB)
        version = commit(store, store.upload(data, "u", "a"), data, control_version=False).object
        store.storage.payloads.discard("u")
        with store.storage.payloads.pin(version):
            pieces = store.storage.payloads.read(version, 0, len(data), 100_000)
            begun = next(pieces)
            store.save("a", b"new", control_version=False)
            self.sweep(store)
            assert b"".join([begun, *pieces]) == data

        self.sweep(store)

        assert version.payload_id not in store.held_payloads()

    def test_a_version_that_was_overwritten_before_it_was_held_is_not_retained(self, store: StoreHarness) -> None:
        version = store.save("a", b"old", control_version=False).object
        store.save("a", b"new", control_version=False)
        self.sweep(store)

        with store.storage.payloads.pin(version), pytest.raises(NotFoundError) as caught:
            list(store.storage.payloads.read(version, 0, 3, MIB))

        assert caught.value.reason == Reason.VERSION_NOT_RETAINED

    def test_sweeps_among_writers_and_readers_lose_nothing(self, store: StoreHarness) -> None:
        done = threading.Event()

        def write(n: int) -> None:
            for k in range(30):
                data = f"{n}-{k}".encode() * 100
                store.save(f"o{n}", data, control_version=False)
                assert store.read(f"o{n}") == data

        def sweep() -> None:
            while not done.is_set():
                self.sweep(store)

        def write_all() -> None:
            try:
                in_parallel([partial(write, n) for n in range(4)])
            finally:
                done.set()

        calls: list[Callable[[], None]] = [sweep, write_all]
        in_parallel(calls)
        self.sweep(store)

        assert len(store.held_payloads()) == 4
