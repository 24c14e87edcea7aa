"""What every store promises to callers that are confined to campaigns: decided in the transaction that changes."""

from __future__ import annotations

import pytest

from flowcept.errors import FlowceptError, NotFoundError, PermissionDeniedError, Reason, VersionConflictError
from flowcept_service.domain.objects import ObjectChange, ObjectFields, Precondition
from flowcept_service.domain.records import Collection
from tests.conformance.harness import StoreHarness, in_parallel, task

OURS = Precondition(campaigns=frozenset({"ours"}))


class ConfinedObjectChanges:
    """Changes of objects."""

    def update(self, store: StoreHarness, precondition: Precondition = OURS, campaign: str | None = None) -> int:
        change = ObjectChange(
            "a", ObjectFields(campaign_id=campaign), True, "", store.clock(), precondition=precondition
        )
        return store.storage.objects.commit(change).object.version

    def test_a_campaign_may_be_named_or_kept(self, store: StoreHarness) -> None:
        assert store.save("a", precondition=OURS, campaign_id="ours").object.version == 0
        assert store.save("a", precondition=OURS).object.version == 1
        assert self.update(store) == 2

    @pytest.mark.parametrize("campaign", [None, "theirs"])
    def test_nothing_is_committed_outside_of_the_campaigns(self, store: StoreHarness, campaign: str | None) -> None:
        with pytest.raises(PermissionDeniedError) as caught:
            store.save("a", precondition=OURS, campaign_id=campaign)

        assert caught.value.reason is Reason.CAMPAIGN_DENIED
        assert store.storage.events.bounds().last == 0

    @pytest.mark.parametrize("campaign", [None, "theirs"])
    def test_an_object_of_others_is_not_changed(self, store: StoreHarness, campaign: str | None) -> None:
        store.save("a", campaign_id=campaign)

        with pytest.raises(PermissionDeniedError):
            store.save("a", precondition=OURS, campaign_id="ours")
        with pytest.raises(NotFoundError):
            self.update(store)
        with pytest.raises(VersionConflictError):
            self.update(store, Precondition(expected_version=0, campaigns=OURS.campaigns))

        assert store.storage.events.bounds().last == 1

    def test_an_object_is_not_moved_away(self, store: StoreHarness) -> None:
        store.save("a", campaign_id="ours")

        with pytest.raises(PermissionDeniedError):
            self.update(store, campaign="theirs")

        assert store.storage.objects.get("a").campaign_id == "ours"

    def test_an_object_of_others_is_not_there_to_be_deleted(self, store: StoreHarness) -> None:
        store.save("a", campaign_id="theirs", control_version=False)

        with pytest.raises(NotFoundError):
            store.storage.objects.delete("a", OURS, store.clock())

        assert store.storage.objects.get("a").version == 0

    def test_one_of_two_campaigns_gets_a_name_and_the_other_none_of_it(self, store: StoreHarness) -> None:
        def save(campaign: str) -> str:
            allowed = Precondition(campaigns=frozenset({campaign}))
            try:
                return store.save("a", campaign.encode(), precondition=allowed, campaign_id=campaign).object.object_id
            except FlowceptError as error:
                return error.reason.value

        outcomes = in_parallel([lambda name=name: save(name) for name in ("ours", "theirs")])  # type: ignore[misc]

        assert sorted(outcomes) == ["CAMPAIGN_DENIED", "a"]
        assert store.storage.objects.get("a").version == 0


class ConfinedDeletions:
    """Deletions of records."""

    def test_records_of_other_campaigns_stay(self, store: StoreHarness) -> None:
        campaigns = ["ours", "theirs", None] * 300
        store.storage.records.write(
            [
                task(f"t{n}", workflow_id="w", **({} if campaign is None else {"campaign_id": campaign}))
                for n, campaign in enumerate(campaigns)
            ]
        )

        deleted = store.storage.records.delete("workflow_id", "w", OURS.campaigns)

        assert deleted[Collection.TASKS] == 300
        left = store.find(Collection.TASKS, {"workflow_id": "w"})
        assert len(left) == 600
        assert {record.get("campaign_id") for record in left} == {"theirs", None}
        assert store.storage.events.bounds().last == 1200

    def test_another_campaign_is_not_deleted(self, store: StoreHarness) -> None:
        store.storage.records.write([task("t", campaign_id="theirs")])

        assert not any(store.storage.records.delete("campaign_id", "theirs", OURS.campaigns).values())
