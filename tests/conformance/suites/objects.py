"""What every ``ObjectStore`` promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import bson
import pytest

from flowcept.errors import (
    AlreadyExistsError,
    FlowceptError,
    InvalidArgumentError,
    NotFoundError,
    PreconditionError,
    Reason,
    UnavailableError,
    VersionConflictError,
)
from flowcept_service.domain.events import EventAction, EventKind
from flowcept_service.domain.limits import MAX_RECORD_BYTES
from flowcept_service.domain.objects import ObjectChange, ObjectFields, ObjectVersion, Precondition
from flowcept_service.domain.records import Collection
from flowcept_service.domain.retention import Retention
from tests.conformance.harness import StoreHarness, digest, in_parallel, payload_of

ABSENT = Precondition(must_not_exist=True)
DAY = 24 * 3600.0


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


class RepeatingRequests:
    def test_a_repeat_returns_the_first_result(self, store: StoreHarness) -> None:
        first = store.save("a", b"one", request_id="r", tags=("x",))
        store.save("a", b"two")

        again = store.save("a", b"one", request_id="r", tags=("other",))

        assert again.repeated
        assert (again.object, again.sequence) == (first.object, 0)
        assert store.storage.objects.get("a").version == 1
        assert store.storage.events.bounds().last == 2

    def test_a_repeat_needs_no_bytes(self, store: StoreHarness) -> None:
        staging = store.upload(b"one", "u", "a")
        change = ObjectChange("a", ObjectFields(), False, "u", store.clock(), payload=payload_of(staging, b"one"))
        first = store.storage.objects.commit(change)
        store.storage.payloads.discard("u")
        store.save("a", b"two", control_version=False)
        store.storage.sweep(Retention(), store.clock())

        again = store.storage.objects.commit(change)

        assert again.repeated
        assert again.object == first.object

    def test_a_repeated_metadata_update_changes_nothing(self, store: StoreHarness) -> None:
        store.save("a")
        first = store.update("a", request_id="r", tags=("x",))

        again = store.update("a", request_id="r", tags=("y",))

        assert again.repeated
        assert again.object == first.object
        assert store.storage.objects.get("a").version == 1

    def test_a_request_cannot_commit_another_object(self, store: StoreHarness) -> None:
        store.save("a", request_id="r")

        with pytest.raises(InvalidArgumentError) as caught:
            store.save("b", request_id="r")

        assert caught.value.reason == Reason.UPLOAD_HEADER_CHANGED
        assert store.storage.objects.get("a").version == 0

    def test_a_result_can_be_asked_for(self, store: StoreHarness) -> None:
        first = store.save("a", request_id="r").object
        store.save("a", b"two")

        assert store.storage.objects.committed("r") == first
        assert store.storage.objects.committed("other") is None

    def test_a_failed_request_may_succeed_later(self, store: StoreHarness) -> None:
        with pytest.raises(VersionConflictError):
            store.save("a", request_id="r", precondition=Precondition(expected_version=0))

        assert store.storage.objects.committed("r") is None
        assert store.save("a", request_id="r").object.version == 0

    def test_racing_repeats_commit_once(self, store: StoreHarness) -> None:
        results = in_parallel([lambda: store.save("a", b"one", request_id="r")] * 8)

        assert sum(not result.repeated for result in results) == 1
        assert all(result.object == results[0].object for result in results)
        assert store.storage.objects.get("a").version == 0

    def test_results_are_kept_for_a_day_and_not_for_ever(self, store: StoreHarness) -> None:
        store.save("a", request_id="r")
        store.storage.sweep(Retention(), store.clock.advance(DAY))
        assert store.storage.objects.committed("r") is not None

        result = store.storage.sweep(Retention(), store.clock.advance(DAY + 1))

        assert result.requests == 1
        assert store.storage.objects.committed("r") is None


class CommittingKnownContent:
    def change(self, store: StoreHarness, object_id: str, request_id: str = "", **options: Any) -> ObjectChange:
        return ObjectChange(object_id, ObjectFields(), True, request_id, store.clock(), **options)

    def test_content_that_the_store_holds_needs_no_bytes(self, store: StoreHarness) -> None:
        store.save("a", b"same")
        held = store.held_payloads()

        result = store.storage.objects.commit_known(self.change(store, "b"), 4, digest(b"same"))

        assert result is not None
        assert result.object.version == 0
        assert store.read("b") == b"same"
        assert store.held_payloads() == held

    def test_content_that_the_store_does_not_hold_is_none(self, store: StoreHarness) -> None:
        store.save("a", b"same")

        assert store.storage.objects.commit_known(self.change(store, "b"), 5, digest(b"other")) is None
        assert store.storage.objects.commit_known(self.change(store, "b"), 5, digest(b"same")) is None
        assert store.storage.events.bounds().last == 1

    def test_content_that_nobody_refers_to_any_longer_is_not_known(self, store: StoreHarness) -> None:
        store.save("a", b"same", control_version=False)
        store.save("a", b"other", control_version=False)

        assert store.storage.objects.commit_known(self.change(store, "b"), 4, digest(b"same")) is None

    def test_shared_content_stays_until_its_last_version_goes(self, store: StoreHarness) -> None:
        store.save("a", b"same", control_version=False)
        store.storage.objects.commit_known(self.change(store, "b"), 4, digest(b"same"))
        store.storage.objects.delete("a", Precondition(), store.clock())
        store.storage.sweep(Retention(unreferenced_seconds=0), store.clock.advance(10))

        assert store.read("b") == b"same"

    def test_the_same_content_again_is_a_version_of_its_own(self, store: StoreHarness) -> None:
        store.save("a", b"same")

        result = store.storage.objects.commit_known(self.change(store, "a"), 4, digest(b"same"))

        assert result is not None
        assert result.object.version == 1
        assert store.read("a", 0) == store.read("a", 1) == b"same"

    def test_preconditions_hold_here_too(self, store: StoreHarness) -> None:
        store.save("a", b"same")

        with pytest.raises(AlreadyExistsError):
            store.storage.objects.commit_known(self.change(store, "a", precondition=ABSENT), 4, digest(b"same"))

    def test_a_repeat_returns_the_first_result(self, store: StoreHarness) -> None:
        store.save("a", b"same", control_version=False)
        first = store.storage.objects.commit_known(self.change(store, "b", "r"), 4, digest(b"same"))
        assert first is not None

        again = store.storage.objects.commit_known(self.change(store, "b", "r"), 4, digest(b"same"))
        unknown = store.storage.objects.commit_known(self.change(store, "b", "r"), 9, digest(b"not here"))

        assert again == unknown == replace(first, sequence=0, repeated=True)


class DeletingObjects:
    def delete(self, store: StoreHarness, precondition: Precondition | None = None) -> ObjectVersion:
        return store.storage.objects.delete("a", precondition or Precondition(), store.clock())

    def test_a_deleted_object_is_gone_with_its_bytes(self, store: StoreHarness) -> None:
        for n in range(5):
            store.save("a", f"{n}".encode(), control_version=False)

        deleted = self.delete(store)

        assert deleted.version == 4
        with pytest.raises(NotFoundError):
            store.storage.objects.get("a")
        assert store.find(Collection.OBJECTS, {"object_id": "a"}) == []
        store.storage.sweep(Retention(unreferenced_seconds=0), store.clock.advance(10))
        assert store.held_payloads() == set()

    def test_history_cannot_be_deleted(self, store: StoreHarness) -> None:
        store.save("a", b"one", control_version=True)

        with pytest.raises(PreconditionError) as caught:
            self.delete(store)

        assert caught.value.reason == Reason.HISTORY_PROTECTED
        assert store.read("a") == b"one"

    def test_nothing_cannot_be_deleted(self, store: StoreHarness) -> None:
        with pytest.raises(NotFoundError) as caught:
            self.delete(store)

        assert caught.value.reason == Reason.OBJECT_NOT_FOUND

    def test_a_deletion_may_expect_a_version(self, store: StoreHarness) -> None:
        store.save("a", control_version=False)

        with pytest.raises(VersionConflictError):
            self.delete(store, Precondition(expected_version=1))
        assert self.delete(store, Precondition(expected_version=0)).version == 0

    def test_a_deleted_object_may_be_made_anew(self, store: StoreHarness) -> None:
        store.save("a", b"one", control_version=False)
        self.delete(store)

        assert store.save("a", b"two").object.version == 0
        assert store.read("a") == b"two"

    def test_a_deletion_has_an_event_with_the_object_as_it_was(self, store: StoreHarness) -> None:
        store.save("a", b"one", control_version=False, workflow_id="w")
        self.delete(store)

        event = store.events()[-1]
        assert (event["sequence"], event["action"], event["id"]) == (2, EventAction.DELETED, "a")
        assert (event["document"]["workflow_id"], event["object_version"]) == ("w", 0)


class EventsOfObjects:
    def test_every_change_has_its_event(self, store: StoreHarness) -> None:
        store.save("a", b"one", workflow_id="w", campaign_id="c", type="ml_model")
        store.save("a", b"two")
        store.update("a", tags=("x",))

        created, updated, described = store.events()

        assert {event["kind"] for event in (created, updated, described)} == {EventKind.OBJECT}
        assert [event["action"] for event in (created, updated, described)] == [
            EventAction.CREATED,
            EventAction.UPDATED,
            EventAction.METADATA_UPDATED,
        ]
        assert [event["object_version"] for event in (created, updated, described)] == [0, 1, 2]
        assert (created["id"], created["workflow_id"], created["campaign_id"]) == ("a", "w", "c")
        assert (created["object_type"], created["activity_id"]) == ("ml_model", "")
        assert described["document"]["tags"] == ["x"]

    def test_an_event_never_carries_bytes(self, store: StoreHarness) -> None:
        store.save("a", b"secret", in_object=True)

        (event,) = store.events()
        assert b"secret" not in bson.encode(event["document"])

    def test_the_event_has_the_time_of_the_change(self, store: StoreHarness) -> None:
        store.save("a")

        (event,) = store.events()
        assert event["commit_time"].replace(tzinfo=UTC) == store.clock()

    def test_a_failed_change_has_no_event(self, store: StoreHarness) -> None:
        expecting = Precondition(expected_version=3)
        for change in (partial(store.update, "a"), partial(store.save, "a", precondition=expecting)):
            with pytest.raises(FlowceptError):
                change()

        assert store.storage.events.bounds().last == 0


class ClosedObjects:
    def test_calls_after_close_are_unavailable(self, store: StoreHarness) -> None:
        store.save("a")
        objects = store.storage.objects
        store.storage.close()

        for call in (
            lambda: store.save("a"),
            lambda: store.update("a"),
            lambda: objects.get("a"),
            lambda: objects.versions("a", None, 1),
            lambda: objects.committed("r"),
            lambda: objects.delete("a", Precondition(), store.clock()),
        ):
            with pytest.raises(UnavailableError):
                call()


class ObjectSuite(
    CommittingVersions,
    KeepingHistory,
    ReadingVersions,
    CheckingPreconditions,
    RacingWriters,
    RepeatingRequests,
    CommittingKnownContent,
    DeletingObjects,
    EventsOfObjects,
    ClosedObjects,
):
    """Everything about versions."""
