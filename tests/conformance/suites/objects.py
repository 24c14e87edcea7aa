"""What every ``ObjectStore`` promises: versions, their history, preconditions and races."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from flowcept.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    NotFoundError,
    Reason,
    VersionConflictError,
)
from flowcept_service.domain.limits import MAX_RECORD_BYTES
from flowcept_service.domain.objects import ObjectChange, ObjectFields, ObjectVersion, Precondition
from flowcept_service.domain.records import Collection
from tests.conformance.harness import StoreHarness, digest, in_parallel, payload_of
from tests.conformance.suites.campaigns import ConfinedObjectChanges
from tests.conformance.suites.deletions import ClosedObjects, DeletingObjects, EventsOfObjects
from tests.conformance.suites.repeats import ABSENT, CommittingKnownContent, RepeatingRequests


class CommittingVersions:
    def test_the_first_version_is_zero(self, store: StoreHarness) -> None:
        result = store.save("a", b"one", author="ann", workflow_id="w", task_id="t", type="ml_model", tags=("x",))

        version = result.object
        assert (result.sequence, result.repeated) == (1, False)
        assert (version.object_id, version.version, version.prev_version) == ("a", 0, None)
        assert (version.object_size_bytes, version.data_sha256) == (3, digest(b"one"))
        assert (version.workflow_id, version.task_id, version.type, version.tags) == ("w", "t", "ml_model", ("x",))
        assert (version.created_by, version.updated_by, version.campaign_id) == ("ann", "ann", None)
        assert (version.created_at, version.updated_at) == (store.clock(), store.clock())
        assert store.storage.objects.get("a") == version
        assert store.read("a") == b"one"

    def test_each_save_follows_the_one_before(self, store: StoreHarness) -> None:
        first = store.save("a", b"one", author="ann", tags=("x",), custom_metadata={"k": 1}).object
        store.clock.advance(5)

        second = store.save("a", b"two", author="bob", custom_metadata={"other": 2}).object

        assert (second.version, second.prev_version) == (1, 0)
        assert (second.created_at, second.created_by) == (first.created_at, "ann")
        assert (second.updated_at, second.updated_by) == (store.clock(), "bob")
        assert (second.tags, second.custom_metadata) == (("x",), {"other": 2})

    def test_what_is_committed_is_what_is_read(self, store: StoreHarness) -> None:
        moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
        metadata = {"when": moment, "n": [1, 2.5, None], "nested": {"a.b": {"$c": b"x"}}}

        committed = store.save("a", custom_metadata=metadata, extra={"later_field": {"x": 1}}).object

        assert committed == store.storage.objects.get("a")
        assert committed.custom_metadata is not None
        assert committed.custom_metadata["when"] == moment.replace(microsecond=678_000)
        assert committed.extra == {"later_field": {"x": 1}}

    def test_what_is_returned_is_a_copy(self, store: StoreHarness) -> None:
        metadata: dict[str, Any] = {"k": [1]}
        committed = store.save("a", custom_metadata=metadata).object
        assert committed.custom_metadata is not None
        metadata["k"].append(2)
        committed.custom_metadata["k"].append(3)

        assert store.storage.objects.get("a").custom_metadata == {"k": [1]}

    def test_objects_do_not_mix(self, store: StoreHarness) -> None:
        names = ["a", "a0", "ab", "b", "é", "a" * 255]
        for name in names:
            store.save(name, name.encode())
            store.save(name, name.encode() * 2)

        for name in names:
            assert store.read(name, 0) == name.encode()
            assert [version.version for version in store.storage.objects.versions(name, None, 10)] == [1, 0]

    def test_versions_outlive_the_process(self, store: StoreHarness) -> None:
        for n in range(3):
            store.save("a", f"{n}".encode(), request_id=f"r{n}")
        before = store.storage.objects.versions("a", None, 10)
        store.reopen()

        assert store.storage.objects.versions("a", None, 10) == before
        assert [store.read("a", n) for n in range(3)] == [b"0", b"1", b"2"]
        assert store.storage.objects.committed("r0") == before[2]

    def test_an_empty_payload_is_a_payload(self, store: StoreHarness) -> None:
        version = store.save("a", b"").object

        assert version.object_size_bytes == 0
        assert store.read("a") == b""

    def test_metadata_that_cannot_be_stored_changes_nothing(self, store: StoreHarness) -> None:
        store.save("a", b"one", custom_metadata={"k": 1})

        for value, reason in ((2**64, Reason.INVALID_DOCUMENT), ("x" * MAX_RECORD_BYTES, Reason.RECORD_TOO_LARGE)):
            with pytest.raises(InvalidArgumentError) as caught:
                store.save("a", b"two", custom_metadata={"k": value})
            assert caught.value.reason == reason

        assert store.storage.objects.get("a").version == 0
        assert store.storage.events.bounds().last == 1

    def test_bytes_that_were_discarded_cannot_be_committed(self, store: StoreHarness) -> None:
        staging = store.upload(b"data", "u", "a")
        store.storage.payloads.discard("u")
        change = ObjectChange("a", ObjectFields(), True, "u", store.clock(), payload=payload_of(staging, b"data"))

        with pytest.raises(VersionConflictError) as caught:
            store.storage.objects.commit(change)

        assert caught.value.reason == Reason.UPLOAD_BUSY
        with pytest.raises(NotFoundError):
            store.storage.objects.get("a")


class KeepingHistory:
    def test_every_version_is_kept_unchanged(self, store: StoreHarness) -> None:
        committed = []
        for n in range(5):
            committed.append(store.save("a", f"bytes {n}".encode(), custom_metadata={"n": n}).object)
            store.clock.advance(1)

        for n, version in enumerate(committed):
            assert store.storage.objects.get("a", n) == version
            assert store.read("a", n) == f"bytes {n}".encode()
        assert [version.prev_version for version in committed] == [None, 0, 1, 2, 3]

    def test_without_version_control_only_the_latest_is_kept(self, store: StoreHarness) -> None:
        store.save("a", b"one", control_version=False)
        store.save("a", b"two", control_version=False)

        assert store.storage.objects.get("a").version == 1
        assert store.read("a") == b"two"
        assert [version.version for version in store.storage.objects.versions("a", None, 10)] == [1]
        with pytest.raises(NotFoundError) as caught:
            store.storage.objects.get("a", 0)
        assert caught.value.reason == Reason.VERSION_NOT_RETAINED

    def test_a_save_without_version_control_does_not_end_it(self, store: StoreHarness) -> None:
        store.save("a", b"one", control_version=True)
        store.save("a", b"two", control_version=False)
        store.save("a", b"three", control_version=True)

        assert [version.version for version in store.storage.objects.versions("a", None, 10)] == [2, 1, 0]
        assert [store.read("a", n) for n in range(3)] == [b"one", b"two", b"three"]

    def test_version_control_can_begin_late(self, store: StoreHarness) -> None:
        store.save("a", b"one", control_version=False)
        store.save("a", b"two", control_version=False)
        store.save("a", b"three", control_version=True)

        assert [version.version for version in store.storage.objects.versions("a", None, 10)] == [2, 1]
        assert store.read("a", 1) == b"two"

    def test_a_metadata_update_is_a_version_with_the_same_bytes(self, store: StoreHarness) -> None:
        store.save("a", b"one", tags=("x",), custom_metadata={"k": 1})
        held = store.held_payloads()

        updated = store.update("a", tags=("y",)).object

        assert (updated.version, updated.prev_version) == (1, 0)
        assert (updated.tags, updated.custom_metadata) == (("y",), {"k": 1})
        assert store.storage.objects.get("a", 0).tags == ("x",)
        assert store.read("a", 0) == store.read("a", 1) == b"one"
        assert store.held_payloads() == held

    def test_a_metadata_update_of_nothing_is_not_found(self, store: StoreHarness) -> None:
        with pytest.raises(NotFoundError) as caught:
            store.update("a", tags=("y",))

        assert caught.value.reason == Reason.OBJECT_NOT_FOUND
        assert store.storage.events.bounds().last == 0


class ReadingVersions:
    def test_an_unknown_object_is_not_found(self, store: StoreHarness) -> None:
        for call in (
            lambda: store.storage.objects.get("a"),
            lambda: store.storage.objects.get("a", 0),
            lambda: store.storage.objects.versions("a", None, 10),
        ):
            with pytest.raises(NotFoundError) as caught:
                call()
            assert caught.value.reason == Reason.OBJECT_NOT_FOUND

    @pytest.mark.parametrize("version", [2, 2**40, 2**70])
    def test_a_version_that_does_not_exist_yet_is_not_found(self, store: StoreHarness, version: int) -> None:
        store.save("a")
        store.save("a")

        with pytest.raises(NotFoundError) as caught:
            store.storage.objects.get("a", version)

        assert caught.value.reason == Reason.VERSION_NOT_FOUND
        assert caught.value.metadata["current_version"] == "1"

    def test_versions_are_listed_newest_first(self, store: StoreHarness) -> None:
        for _ in range(7):
            store.save("a")
        versions = partial(store.storage.objects.versions, "a")

        assert [version.version for version in versions(None, 100)] == [6, 5, 4, 3, 2, 1, 0]
        assert [version.version for version in versions(None, 3)] == [6, 5, 4]
        assert [version.version for version in versions(4, 3)] == [3, 2, 1]
        assert [version.version for version in versions(1, 3)] == [0]
        assert versions(0, 3) == []
        assert [version.version for version in versions(2**40, 1)] == [6]

    def test_pages_together_are_the_whole_history(self, store: StoreHarness) -> None:
        for _ in range(10):
            store.save("a")
        listed: list[ObjectVersion] = []
        while page := store.storage.objects.versions("a", listed[-1].version if listed else None, 3):
            listed += page

        assert [version.version for version in listed] == list(range(9, -1, -1))


class CheckingPreconditions:
    def test_must_not_exist_lets_only_the_first_through(self, store: StoreHarness) -> None:
        store.save("a", b"one", precondition=ABSENT)

        with pytest.raises(AlreadyExistsError):
            store.save("a", b"two", precondition=ABSENT)

        assert store.read("a") == b"one"

    def test_an_expected_version_that_holds_lets_through(self, store: StoreHarness) -> None:
        store.save("a")

        assert store.save("a", precondition=Precondition(expected_version=0)).object.version == 1

    @pytest.mark.parametrize("expected", [0, 2])
    def test_an_expected_version_that_does_not_hold_names_the_current_one(
        self, store: StoreHarness, expected: int
    ) -> None:
        store.save("a")
        store.save("a")

        with pytest.raises(VersionConflictError) as caught:
            store.save("a", b"lost", precondition=Precondition(expected_version=expected))

        assert caught.value.current_version == 1
        assert store.storage.objects.get("a").version == 1
        assert store.storage.events.bounds().last == 2

    def test_nothing_has_no_expected_version(self, store: StoreHarness) -> None:
        with pytest.raises(VersionConflictError) as caught:
            store.save("a", precondition=Precondition(expected_version=0))

        assert caught.value.current_version is None


class RacingWriters:
    @pytest.mark.parametrize("writers", [2, 8])
    def test_every_write_gets_its_own_version(self, store: StoreHarness, writers: int) -> None:
        def write(writer: int) -> list[tuple[int, bytes]]:
            data = [f"{writer}-{n}".encode() for n in range(10)]
            return [(store.save("a", one).object.version, one) for one in data]

        written = [pair for own in in_parallel([partial(write, n) for n in range(writers)]) for pair in own]

        total = writers * 10
        assert sorted(version for version, _ in written) == list(range(total))
        for version, data in written:
            assert store.read("a", version) == data
        listed = store.storage.objects.versions("a", None, total)
        assert [version.prev_version for version in listed] == [*range(total - 2, -1, -1), None]

    def test_one_of_eight_expecting_a_version_wins(self, store: StoreHarness) -> None:
        store.save("a", b"base")

        def write(writer: int) -> tuple[bool, int | None]:
            try:
                precondition = Precondition(expected_version=0)
                return True, store.save("a", f"{writer}".encode(), precondition=precondition).object.version
            except VersionConflictError as error:
                return False, error.current_version

        results = in_parallel([partial(write, n) for n in range(8)])

        assert sorted(results) == [(False, 1)] * 7 + [(True, 1)]
        assert store.storage.objects.get("a").version == 1

    def test_one_of_eight_first_saves_wins(self, store: StoreHarness) -> None:
        def write(writer: int) -> int | None:
            try:
                return store.save("a", f"{writer}".encode(), precondition=ABSENT).object.version
            except AlreadyExistsError:
                return None

        results = in_parallel([partial(write, n) for n in range(8)])

        assert sorted(results, key=str) == [0] + [None] * 7
        assert len(store.find(Collection.OBJECTS, {"object_id": "a"})) == 1


class ObjectSuite(
    CommittingVersions,
    KeepingHistory,
    ReadingVersions,
    CheckingPreconditions,
    ConfinedObjectChanges,
    RacingWriters,
    RepeatingRequests,
    CommittingKnownContent,
    DeletingObjects,
    EventsOfObjects,
    ClosedObjects,
):
    """Everything about versions."""
