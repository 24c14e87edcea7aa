"""What every ``ObjectStore`` promises about requests that are repeated, and content that it knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flowcept.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    Reason,
    VersionConflictError,
)
from flowcept_service.domain.objects import ObjectChange, ObjectFields, Precondition
from flowcept_service.domain.retention import Retention
from tests.conformance.harness import StoreHarness, digest, in_parallel, payload_of

ABSENT = Precondition(must_not_exist=True)
DAY = 24 * 3600.0


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
