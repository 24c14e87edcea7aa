"""What every ``PayloadStore`` promises about uploads: staged, taken over, discarded."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from functools import partial

import pytest

from flowcept.errors import (
    InvalidArgumentError,
    NotFoundError,
    Reason,
    VersionConflictError,
)
from flowcept_service.domain.objects import CommitResult, ObjectChange, ObjectFields, Staging
from tests.conformance.harness import StoreHarness, in_parallel, payload_of

MIB = 1 << 20


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
    def test_staged_bytes_are_counted_by_owner_until_they_are_committed_or_dropped(self, store: StoreHarness) -> None:
        payloads = store.storage.payloads
        data = some_bytes(MIB)
        kept = payloads.stage("kept", "o1", store.clock(), owner="alice")
        assert (kept.owner, payloads.staged_bytes()) == ("alice", 0)
        kept = payloads.append(kept, [data], store.clock())
        taken_over = payloads.stage("kept", "o1", store.clock(), owner="bob")
        assert taken_over.owner == "alice"
        dropped = payloads.stage("dropped", "o2", store.clock(), owner="bob")
        payloads.append(dropped, [data, data], store.clock())
        assert [payloads.staged_bytes(owner) for owner in (None, "alice", "bob", "", "else")] == [
            3 * MIB,
            MIB,
            2 * MIB,
            0,
            0,
        ]
        payloads.discard("dropped")
        commit(store, taken_over, data)
        payloads.discard("kept")
        assert payloads.staged_bytes() == 0

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

    def test_bytes_come_back_as_an_appender_took_them(self, store: StoreHarness) -> None:
        payloads = store.storage.payloads
        parts = [some_bytes(size) for size in (70_000, 0, 9 * MIB, 5, 3 * MIB, 12 * MIB)]
        with closing(payloads.appender(store.upload(parts[0], "u", "a"))) as appender:
            taken = len(parts[0])
            for part in parts[1:]:
                appender.append([part[:100], memoryview(part)[100:]], store.clock())
                taken += len(part)
                assert appender.staging.size <= appender.size == taken
            staging = appender.settle()
            assert appender.staging == staging == payloads.staged("u")

        assert staging.size == taken
        assert b"".join(payloads.read_staged(staging)) == b"".join(parts)
        assert commit(store, staging, b"".join(parts)).object.object_size_bytes == taken

    def test_an_appender_goes_on_behind_what_it_has_settled(self, store: StoreHarness) -> None:
        payloads = store.storage.payloads
        with closing(payloads.appender(payloads.stage("u", "a", store.clock()))) as appender:
            for part in (b"one ", b"two ", some_bytes(2 * MIB)):
                appender.append([part], store.clock())
                appender.settle()

        assert b"".join(payloads.read_staged(appender.staging)) == b"one two " + some_bytes(2 * MIB)

    def test_whoever_takes_an_upload_over_shuts_the_older_appender_out(self, store: StoreHarness) -> None:
        payloads = store.storage.payloads
        with closing(payloads.appender(payloads.stage("u", "a", store.clock()))) as older:
            older.append([b"data"], store.clock())
            older.settle()
            newer = payloads.stage("u", "a", store.clock())

            with pytest.raises(VersionConflictError) as caught:
                older.append([some_bytes(9 * MIB)], store.clock())

        assert caught.value.reason == Reason.UPLOAD_BUSY
        newer = payloads.append(newer, [b" more"], store.clock())
        assert b"".join(payloads.read_staged(newer)) == b"data more"

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
