import pytest

from flowcept.errors import InvalidArgumentError
from flowcept.v1.event_pb2 import EVENT_ACTION_DELETED
from flowcept.v1.provenance_service_pb2 import DeleteRecordsRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.provenance import batch, events_until, find, message, refused, subscribe, task


@pytest.fixture
def filled(stub: ProvenanceStub) -> ProvenanceStub:
    stub.Publish(
        batch(
            *(task(f"t{n}", workflow_id=f"w{n % 2}", campaign_id="c") for n in range(6)),
            message({"type": "workflow", "workflow_id": "w0", "campaign_id": "c"}),
            message({"type": "agent", "agent_id": "a", "workflow_id": "w0"}),
        )
    )
    return stub


def test_a_workflow_goes_with_its_records_and_the_answer_counts_them(filled: ProvenanceStub) -> None:
    response = filled.DeleteRecords(DeleteRecordsRequest(workflow_id="w0"))
    assert (response.task_count, response.workflow_count, response.agent_count) == (3, 1, 1)
    assert sorted(record["task_id"] for record in find(filled)) == ["t1", "t3", "t5"]
    assert find(filled, collection="WORKFLOWS") == []


def test_a_campaign_goes_with_its_records(filled: ProvenanceStub) -> None:
    response = filled.DeleteRecords(DeleteRecordsRequest(campaign_id="c"))
    assert (response.task_count, response.workflow_count, response.agent_count) == (6, 1, 0)


def test_each_deletion_is_an_event_with_the_record_as_it_was(filled: ProvenanceStub) -> None:
    stream = subscribe(filled)
    filled.DeleteRecords(DeleteRecordsRequest(workflow_id="w1"))
    events = events_until(stream, 11)
    assert sorted(event.id for event in events) == ["t1", "t3", "t5"]
    assert {event.action for event in events} == {EVENT_ACTION_DELETED}
    assert all(event.workflow_id == "w1" and event.document.bson for event in events)


def test_deleting_what_does_not_exist_counts_nothing(filled: ProvenanceStub) -> None:
    response = filled.DeleteRecords(DeleteRecordsRequest(workflow_id="unknown"))
    assert (response.task_count, response.workflow_count, response.agent_count) == (0, 0, 0)


@pytest.mark.parametrize("request_", [DeleteRecordsRequest(), DeleteRecordsRequest(workflow_id="")])
def test_nothing_is_deleted_without_a_selector(filled: ProvenanceStub, request_: DeleteRecordsRequest) -> None:
    with refused() as errors:
        filled.DeleteRecords(request_)
    assert isinstance(errors[0], InvalidArgumentError)
    assert len(find(filled)) == 6
