"""What every ``PayloadStore`` promises: reading, and all the rest about bytes."""

from __future__ import annotations

import random

import pytest

from flowcept.errors import (
    FlowceptError,
    IntegrityError,
    Reason,
    UnavailableError,
)
from tests.conformance.harness import StoreHarness, digest, in_parallel
from tests.conformance.suites.sweeping import SweepingPayloads
from tests.conformance.suites.uploads import MIB, DiscardingUploads, StagingBytes, commit, some_bytes


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
