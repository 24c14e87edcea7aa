"""What every ``ObjectStore`` promises about deletions, events, and calls after ``close``."""

from __future__ import annotations

from datetime import UTC
from functools import partial

import bson
import pytest

from flowcept.errors import (
    FlowceptError,
    NotFoundError,
    PreconditionError,
    Reason,
    UnavailableError,
    VersionConflictError,
)
from flowcept_service.domain.events import EventAction, EventKind
from flowcept_service.domain.objects import ObjectVersion, Precondition
from flowcept_service.domain.records import Collection
from flowcept_service.domain.retention import Retention
from tests.conformance.harness import StoreHarness


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
