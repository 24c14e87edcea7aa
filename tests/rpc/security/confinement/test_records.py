"""Records, queries, events and consumers, within a campaign."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

import pytest
from google.protobuf.duration_pb2 import Duration

from flowcept.v1.provenance_service_pb2 import (
    AcknowledgeRequest,
    DeleteConsumerRequest,
    DeleteRecordsRequest,
    EventFilter,
    PublishResponse,
)
from tests.rpc.security.confinement.conftest import DENIED, OURS, THEIRS, Caller, failure
from tests.support.provenance import batch, events_until, find, subscribe, task


def rejected(response: PublishResponse) -> list[str]:
    return [rejection.reason for rejection in response.rejections]


def test_messages_are_accepted_for_our_campaign_only_one_by_one(we: Caller, everybody: Caller, name: str) -> None:
    response = we.provenance.Publish(
        batch(
            task(f"{name}-1", campaign_id=OURS, workflow_id=name),
            task(f"{name}-2", campaign_id=THEIRS, workflow_id=name),
            task(f"{name}-3", workflow_id=name),
            task(f"{name}-1", used={"x": 1}),
        )
    )
    assert [(rejection.index, rejection.reason) for rejection in response.rejections] == [
        (1, "CAMPAIGN_DENIED"),
        (2, "CAMPAIGN_DENIED"),
    ]
    assert response.stored_count == 2
    stored = find(everybody.provenance, {"workflow_id": name})
    assert [(found["task_id"], found["used"]) for found in stored] == [(f"{name}-1", {"x": 1})]


@pytest.mark.parametrize("campaign", [THEIRS, None])
@pytest.mark.parametrize("given", [{}, {"campaign_id": OURS}])
def test_a_message_is_not_merged_into_a_record_of_others(
    we: Caller, everybody: Caller, name: str, campaign: str | None, given: dict[str, str]
) -> None:
    known_campaign = {} if campaign is None else {"campaign_id": campaign}
    everybody.publish(name, used={"x": 1}, **known_campaign)
    response = we.publish(name, used={"y": 2}, **given)
    assert rejected(response) == ["CAMPAIGN_DENIED"]
    assert THEIRS not in response.rejections[0].message
    assert [found["used"] for found in find(everybody.provenance, {"task_id": name})] == [{"x": 1}]


def test_a_record_is_not_moved_to_another_campaign(we: Caller, name: str) -> None:
    we.publish(name, campaign_id=OURS)
    assert rejected(we.publish(name, campaign_id=THEIRS)) == ["CAMPAIGN_DENIED"]
    assert len(find(we.provenance, {"task_id": name})) == 1


def test_a_message_id_of_others_does_not_make_ours_a_repeat(we: Caller, they: Caller, name: str) -> None:
    they.publish(f"{name}-1", name, campaign_id=THEIRS)
    assert we.publish(f"{name}-2", name, campaign_id=OURS).stored_count == 1
    assert we.publish(f"{name}-2", name, campaign_id=OURS).duplicate_count == 1


def test_queries_see_our_campaign_only(we: Caller, everybody: Caller, name: str) -> None:
    everybody.publish(f"{name}-1", campaign_id=OURS, workflow_id=name)
    everybody.publish(f"{name}-2", campaign_id=THEIRS, workflow_id=name)
    everybody.publish(f"{name}-3", workflow_id=name)
    ours = [f"{name}-1"]
    for condition in (
        {"workflow_id": name},
        {"workflow_id": name, "$or": [{"campaign_id": THEIRS}, {"task_id": {"$exists": True}}]},
        {"workflow_id": name, "campaign_id": {"$ne": OURS + "x"}},
    ):
        assert [found["task_id"] for found in find(we.provenance, condition)] == ours
    for hidden in ({"campaign_id": THEIRS}, {"task_id": f"{name}-2"}, {"workflow_id": name, "campaign_id": None}):
        assert find(we.provenance, hidden) == []


def test_aggregations_count_our_campaign_only(we: Caller, everybody: Caller, name: str) -> None:
    for campaign in (OURS, OURS, THEIRS):
        everybody.publish(uuid.uuid4().hex, campaign_id=campaign, workflow_id=name)
    (counted,) = find(we.provenance, {"workflow_id": name}, aggregations=[{"operator": "AGGREGATION_OPERATOR_COUNT"}])
    assert 2 in counted.values()


@pytest.mark.parametrize("collection", ["OBJECTS", "OBJECT_HISTORY"])
def test_queries_see_the_versions_of_our_campaign_only(
    we: Caller, everybody: Caller, name: str, collection: str
) -> None:
    for object_id, campaign in ((f"{name}-1", OURS), (f"{name}-2", THEIRS)):
        for _ in range(2):
            everybody.put(object_id, campaign=campaign, workflow_id=name)
    found = find(we.provenance, {"workflow_id": name}, collection=collection)
    assert [version["object_id"] for version in found] == [f"{name}-1"]


def test_a_filter_that_is_wrong_is_told_in_the_caller_s_words(we: Caller, everybody: Caller) -> None:
    condition = {"x": {"$where": "1"}}
    assert failure(lambda: find(we.provenance, condition)) == failure(lambda: find(everybody.provenance, condition))


def test_subscriptions_see_our_campaign_only(we: Caller, they: Caller, everybody: Caller, name: str) -> None:
    streams = [
        subscribe(we.provenance),
        subscribe(we.provenance, filter=EventFilter(campaign_ids=[OURS, THEIRS])),
    ]
    quick = Duration(nanos=100_000_000)
    deaf = subscribe(we.provenance, filter=EventFilter(campaign_ids=[THEIRS]), heartbeat_interval=quick)
    they.publish(f"{name}-1", campaign_id=THEIRS)
    everybody.publish(f"{name}-2")
    they.put(f"{name}-3", campaign=THEIRS)
    last = we.publish(f"{name}-4", campaign_id=OURS).last_sequence
    for stream in streams:
        response = next(response for response in stream if response.events)
        assert [event.id for event in response.events] == [f"{name}-4"]
        stream.cancel()
    assert events_until(deaf, last) == [], "only the log's position"


def test_a_durable_consumer_belongs_to_those_of_one_campaign(
    we: Caller, they: Caller, caller: Callable[[str], Caller], name: str
) -> None:
    sequence = we.publish(name, campaign_id=OURS).last_sequence
    assert we.provenance.Acknowledge(AcknowledgeRequest(consumer=name, sequence=sequence - 1)).sequence == sequence - 1
    they.provenance.Acknowledge(AcknowledgeRequest(consumer=name, sequence=sequence))
    assert they.provenance.DeleteConsumer(DeleteConsumerRequest(consumer=name)).sequence == sequence
    assert failure(partial(they.provenance.DeleteConsumer, DeleteConsumerRequest(consumer=name)))[1] == (
        "CONSUMER_NOT_FOUND"
    )
    stream = subscribe(caller("we-too").provenance, consumer=name)
    response = next(response for response in stream if response.events)
    assert [event.id for event in response.events] == [name]
    stream.cancel()


def test_an_admin_deletes_the_records_of_its_campaign_only(caller: Callable[[str], Caller], name: str) -> None:
    everybody, admin = caller("everybody"), caller("our-admin")
    everybody.publish(f"{name}-1", campaign_id=OURS, workflow_id=name)
    everybody.publish(f"{name}-2", campaign_id=THEIRS, workflow_id=name)
    everybody.publish(f"{name}-3", workflow_id=name)
    for campaign in (THEIRS, "which-does-not-exist"):
        deletion = partial(admin.provenance.DeleteRecords, DeleteRecordsRequest(campaign_id=campaign))
        assert failure(deletion)[:2] == DENIED
    assert admin.provenance.DeleteRecords(DeleteRecordsRequest(workflow_id=name)).task_count == 1
    left = find(everybody.provenance, {"workflow_id": name})
    assert sorted(found["task_id"] for found in left) == [f"{name}-2", f"{name}-3"]
