"""What every ``PayloadStore`` promises, and what a sweep does to payloads."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial

import pytest

from flowcept.errors import (
    FlowceptError,
    IntegrityError,
    InvalidArgumentError,
    NotFoundError,
    Reason,
    UnavailableError,
    VersionConflictError,
)
from flowcept_service.domain.objects import CommitResult, ObjectChange, ObjectFields, Staging
from flowcept_service.domain.retention import Retention, SweepResult
from tests.conformance.harness import StoreHarness, digest, in_parallel, payload_of

MIB = 1 << 20
HOUR = 3600.0
DAY = 24 * HOUR


def some_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def commit(store: StoreHarness, staging: Staging, data: bytes, **options: bool) -> CommitResult:
    change = ObjectChange(
        staging.object_id,
        ObjectFields(),
        options.get("control_version", True),
        staging.upload_id,
        store.clock(),
        payload=payload_of(staging, data),
    )
    return store.storage.objects.commit(change)


class StagingBytes:
    def test_an_upload_begins_with_nothing(self, store: StoreHarness) -> None:
        staging = store.storage.payloads.stage("u", "a", store.clock())

        assert (staging.upload_id, staging.object_id, staging.size) == ("u", "a", 0)
        assert staging.payload_id.generation_time == store.clock().replace(microsecond=0)
        assert store.storage.payloads.staged("u") == staging

    def test_an_unknown_upload_has_nothing_staged(self, store: StoreHarness) -> None:
        assert store.storage.payloads.staged("u") is None

    def test_bytes_come_back_as_they_were_appended(self, store: StoreHarness) -> None:
        staging = store.storage.payloads.stage("u", "a", store.clock())
        parts = [some_bytes(size) for size in (1, 70_000, 0, 3 * MIB, 5, MIB)]
        for part in parts:
            staging = store.storage.payloads.append(staging, [part[:100], memoryview(part)[100:]], store.clock())
        data = b"".join(parts)

        assert staging.size == len(data)
        assert b"".join(store.storage.payloads.read_staged(staging)) == data
        assert b"".join(store.storage.payloads.read_staged(staging, 70_000)) == data[70_000:]
        assert b"".join(store.storage.payloads.read_staged(staging, len(data))) == b""

    def test_what_is_staged_outlives_the_process(self, store: StoreHarness) -> None:
        data = some_bytes(3 * MIB + 17)
        staging = store.upload(data, "u", "a")
        store.reopen()

        resumed = store.storage.payloads.stage("u", "a", store.clock())
        assert (resumed.size, resumed.payload_id) == (len(data), staging.payload_id)
        resumed = store.storage.payloads.append(resumed, [b"more"], store.clock())
        assert b"".join(store.storage.payloads.read_staged(resumed)) == data + b"more"

    def test_an_upload_belongs_to_one_object(self, store: StoreHarness) -> None:
        staging = store.upload(b"data", "u", "a")

        with pytest.raises(InvalidArgumentError) as caught:
            store.storage.payloads.stage("u", "b", store.clock())

        assert caught.value.reason == Reason.UPLOAD_HEADER_CHANGED
        assert store.storage.payloads.staged("u") == staging

    def test_whoever_takes_an_upload_over_shuts_the_older_holder_out(self, store: StoreHarness) -> None:
        older = store.upload(b"data", "u", "a")
        newer = store.storage.payloads.stage("u", "a", store.clock())

        with pytest.raises(VersionConflictError) as caught:
            store.storage.payloads.append(older, [b"late"], store.clock())

        assert caught.value.reason == Reason.UPLOAD_BUSY
        newer = store.storage.payloads.append(newer, [b" more"], store.clock())
        assert b"".join(store.storage.payloads.read_staged(newer)) == b"data more"

    def test_bytes_cannot_be_appended_to_an_older_state(self, store: StoreHarness) -> None:
        begun = store.storage.payloads.stage("u", "a", store.clock())
        store.storage.payloads.append(begun, [b"once"], store.clock())

        with pytest.raises(VersionConflictError):
            store.storage.payloads.append(begun, [b"twice"], store.clock())

        staged = store.storage.payloads.staged("u")
        assert staged is not None
        assert staged.size == 4

    def test_uploads_at_the_same_time_do_not_mix(self, store: StoreHarness) -> None:
        def upload(n: int) -> bytes:
            staging = store.storage.payloads.stage(f"u{n}", f"o{n}", store.clock())
            for part in range(5):
                staging = store.storage.payloads.append(staging, [bytes([n, part]) * 100_000], store.clock())
            return b"".join(store.storage.payloads.read_staged(staging))

        results = in_parallel([partial(upload, n) for n in range(8)])

        assert results == [b"".join(bytes([n, part]) * 100_000 for part in range(5)) for n in range(8)]

    def test_nothing_staged_can_be_seen(self, store: StoreHarness) -> None:
        store.upload(b"data", "u", "a")

        with pytest.raises(NotFoundError):
            store.storage.objects.get("a")
        assert store.storage.objects.committed("u") is None
        assert store.storage.events.bounds().last == 0


class DiscardingUploads:
    def test_what_was_discarded_is_gone(self, store: StoreHarness) -> None:
        staging = store.upload(some_bytes(3 * MIB), "u", "a")

        assert store.storage.payloads.discard("u")

        assert store.storage.payloads.staged("u") is None
        assert store.held_payloads() == set()
        for call in (
            lambda: store.storage.payloads.append(staging, [b"late"], store.clock()),
            lambda: list(store.storage.payloads.read_staged(staging)),
        ):
            with pytest.raises(VersionConflictError) as caught:
                call()
            assert caught.value.reason == Reason.UPLOAD_BUSY

    def test_discarding_nothing_says_so(self, store: StoreHarness) -> None:
        assert not store.storage.payloads.discard("u")

    def test_a_discarded_upload_begins_anew(self, store: StoreHarness) -> None:
        first = store.upload(b"data", "u", "a")
        store.storage.payloads.discard("u")

        again = store.storage.payloads.stage("u", "b", store.clock())

        assert again.size == 0
        assert again.payload_id != first.payload_id

    def test_discarding_a_committed_upload_keeps_its_version(self, store: StoreHarness) -> None:
        staging = store.upload(b"data", "u", "a")
        commit(store, staging, b"data")

        assert store.storage.payloads.discard("u")

        assert store.storage.payloads.staged("u") is None
        assert store.read("a") == b"data"

    def test_a_discard_that_races_a_commit_loses_or_wins(self, store: StoreHarness) -> None:
        """Never a version without bytes."""
        for n in range(20):
            staging = store.upload(b"data", f"u{n}", f"a{n}")

            def committing(staging: Staging = staging) -> bool:
                try:
                    commit(store, staging, b"data")
                except VersionConflictError:
                    return False
                return True

            calls: list[Callable[[], bool]] = [committing, partial(store.storage.payloads.discard, f"u{n}")]
            committed, _ = in_parallel(calls)

            if committed:
                assert store.read(f"a{n}") == b"data"
            else:
                with pytest.raises(NotFoundError):
                    store.storage.objects.get(f"a{n}")


class ReadingPayloads:
    def test_any_range_can_be_read_in_any_pieces(self, store: StoreHarness) -> None:
        data = some_bytes(2 * MIB + 12_345)
        staging = store.storage.payloads.stage("u", "a", store.clock())
        for start in range(0, len(data), 700_001):
            staging = store.storage.payloads.append(staging, [data[start : start + 700_001]], store.clock())
        version = commit(store, staging, data).object
        chance = random.Random(7)

        for _ in range(100):
            offset = chance.choice([0, chance.randrange(len(data)), len(data)])
            length = chance.choice([0, 1, chance.randrange(len(data) - offset + 1), len(data) - offset])
            length = min(length, len(data) - offset)
            piece = chance.choice([1000, 65_536, MIB, 10 * MIB]) if length > 10_000 else chance.choice([1, 7, MIB])
            parts = list(store.storage.payloads.read(version, offset, length, piece))
            assert b"".join(parts) == data[offset : offset + length]
            assert all(0 < len(part) <= piece for part in parts)

    @pytest.mark.parametrize("size", [0, 1, 1000, 200_000, 2 * MIB])
    def test_a_payload_of_any_size_may_be_stored_in_one_step(self, store: StoreHarness, size: int) -> None:
        data = some_bytes(size)
        version = store.save("a", data).object

        assert b"".join(store.storage.payloads.read(version, 0, size, 300)) == data
        part = size // 3
        assert b"".join(store.storage.payloads.read(version, part, part, 7000)) == data[part : 2 * part]

    @pytest.mark.parametrize("in_object", [False, True])
    def test_a_small_payload_is_stored_in_one_step(self, store: StoreHarness, in_object: bool) -> None:
        payload = store.storage.payloads.write([b"ab", memoryview(b"cd")], digest(b"abcd"), in_object=in_object)

        assert (payload.size, payload.sha256) == (4, digest(b"abcd"))
        store.save("a", b"abcd", in_object=in_object)
        store.reopen()
        assert store.read("a") == b"abcd"
        assert store.storage.objects.get("a").save_data_in_collection is in_object

    def test_replacing_bytes_in_the_object_by_bytes_beside_it_serves_the_new_ones(self, store: StoreHarness) -> None:
        store.save("a", b"old", in_object=True, control_version=False)
        store.save("a", b"new and longer", in_object=False, control_version=False)
        assert store.read("a") == b"new and longer"

        store.save("a", b"back", in_object=True, control_version=False)

        assert store.read("a") == b"back"

    @pytest.mark.parametrize("size", [100, 5 * MIB])
    def test_missing_bytes_are_an_error(self, store: StoreHarness, size: int) -> None:
        staging = store.upload(some_bytes(size), "u", "a")
        version = commit(store, staging, some_bytes(size)).object
        store.lose_bytes(staging.payload_id)

        with pytest.raises(IntegrityError) as caught:
            list(store.storage.payloads.read(version, 0, size, MIB))

        assert caught.value.reason == Reason.PAYLOAD_CORRUPT

    def test_missing_bytes_of_a_payload_that_was_stored_in_one_step_are_an_error(self, store: StoreHarness) -> None:
        version = store.save("a", b"data").object
        assert version.payload_id is not None
        store.lose_bytes(version.payload_id)

        with pytest.raises(IntegrityError):
            store.read("a")

    def test_reading_can_be_given_up(self, store: StoreHarness) -> None:
        staging = store.upload(some_bytes(5 * MIB), "u", "a")
        version = commit(store, staging, some_bytes(5 * MIB)).object
        pieces = store.storage.payloads.read(version, 0, 5 * MIB, 1000)
        next(pieces)

        del pieces

        store.save("b", b"after")

    def test_many_readers_read_at_once(self, store: StoreHarness) -> None:
        data = some_bytes(2 * MIB)
        version = commit(store, store.upload(data, "u", "a"), data).object

        def read() -> bool:
            return b"".join(store.storage.payloads.read(version, 0, len(data), 100_000)) == data

        assert all(in_parallel([read] * 16))


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
            assert begun + b"".join(pieces) == data

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


class ClosedPayloads:
    def test_calls_after_close_are_unavailable(self, store: StoreHarness) -> None:
        staging = store.upload(b"data", "u", "a")
        version = store.save("b").object
        payloads = store.storage.payloads
        store.storage.close()

        for call in (
            lambda: payloads.stage("v", "a", store.clock()),
            lambda: payloads.append(staging, [b"more"], store.clock()),
            lambda: payloads.staged("u"),
            lambda: list(payloads.read_staged(staging)),
            lambda: payloads.discard("u"),
            lambda: list(payloads.read(version, 0, 4, MIB)),
        ):
            with pytest.raises(FlowceptError) as caught:
                call()
            assert isinstance(caught.value, UnavailableError)


class PayloadSuite(StagingBytes, DiscardingUploads, ReadingPayloads, SweepingPayloads, ClosedPayloads):
    """Everything about bytes."""
