from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Binary, Int64
from google.protobuf.timestamp_pb2 import Timestamp

from flowcept.errors import Reason, ResourceExhaustedError
from flowcept.v1.document_pb2 import Document
from flowcept.v1.provenance_service_pb2 import COLLECTION_TASKS, PublishMessage, PublishRequest, QueryRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept.v1.records_pb2 import STATUS_FINISHED, STATUS_RUNNING, Agent, Task, Workflow
from tests.support.provenance import batch, document, events_until, find, message, refused, subscribe, task


def stored(stub: ProvenanceStub, task_id: str) -> dict[str, Any]:
    [record] = find(stub, {"task_id": task_id})
    return record


def rejected_field(stub: ProvenanceStub, published: PublishMessage) -> tuple[str, str]:
    """Reason and field of the one rejection that publishing brings."""
    [rejection] = stub.Publish(batch(published)).rejections
    assert rejection.message
    return rejection.reason, rejection.field


def test_what_was_published_is_found_at_once(stub: ProvenanceStub) -> None:
    response = stub.Publish(batch(task("t1", activity_id="train", used={"lr": 0.1})))
    assert (response.stored_count, response.duplicate_count, response.last_sequence) == (1, 0, 1)
    record = stored(stub, "t1")
    assert (record["activity_id"], record["used"]) == ("train", {"lr": 0.1})


def test_one_malformed_message_among_500_is_named_and_the_others_are_stored(stub: ProvenanceStub) -> None:
    messages = [task(f"t{i}") for i in range(500)]
    messages[123] = PublishMessage(document=Document(bson=b"\x05\x00\x00"))
    response = stub.Publish(PublishRequest(messages=messages))
    assert (response.stored_count, response.last_sequence) == (499, 499)
    [rejection] = response.rejections
    assert (rejection.index, rejection.reason, rejection.field) == (123, "INVALID_DOCUMENT", "document")
    assert "BSON" in rejection.message
    assert len(find(stub)) == 499


def test_an_integer_over_64_bits_costs_only_its_own_message(stub: ProvenanceStub) -> None:
    text = '{"type": "task", "task_id": "big", "used": {"x": {"n": 123456789012345678901}}}'
    response = stub.Publish(batch(task("a"), PublishMessage(document=Document(json=text)), task("b")))
    assert [(r.index, r.reason, r.field) for r in response.rejections] == [(1, "INVALID_DOCUMENT", "used.x.n")]
    assert sorted(record["task_id"] for record in find(stub)) == ["a", "b"]


@pytest.mark.parametrize(
    "data",
    [
        {"$ref": "objects", "$id": 7},
        {"a.b": 1, "$set": {"x": 1}, "": "empty", "$where": "1"},
        {"v": "$used", "w": "$$ROOT", "x": {"$literal": "$x"}},
        {"n": Int64(2**63 - 1), "uuid": Binary(b"\x01" * 16, 4), "raw": b"\x00\xff"},
    ],
    ids=["reference", "operators and dots in keys", "dollar strings", "wide values"],
)
def test_keys_and_values_are_data_and_come_back_as_they_were(stub: ProvenanceStub, data: dict[str, Any]) -> None:
    response = stub.Publish(batch(task("before"), task("t", used=data, generated={"inner": data}), task("after")))
    assert response.stored_count == 3
    results = [result.bson for response in stub.Query(_by_id("t")) for result in response.documents]
    raw = bson.decode(results[0], bson.CodecOptions(document_class=bson.raw_bson.RawBSONDocument))
    assert raw["used"].raw == bson.encode(data)
    assert raw["generated"]["inner"].raw == bson.encode(data)


def test_a_typed_task_is_kept_under_the_names_of_its_fields(stub: ProvenanceStub) -> None:
    started = datetime(2026, 11, 20, 12, 0, 0, 123_000, tzinfo=UTC)
    stub.Publish(
        batch(
            PublishMessage(
                task=Task(
                    task_id="t",
                    activity_id="train",
                    workflow_id="w",
                    status=STATUS_FINISHED,
                    used=document({"lr": 0.1}),
                    generated=Document(json='{"when": {"$date": "2026-11-20T12:00:00Z"}}'),
                    started_at=_timestamp(started),
                    tags=["a", "b"],
                    extra=document({"custom": 1, "activity_id": "gives way to the typed field"}),
                )
            )
        )
    )
    record = stored(stub, "t")
    assert record["started_at"] == started
    assert (record["activity_id"], record["status"], record["tags"]) == ("train", "FINISHED", ["a", "b"])
    assert record["generated"] == {"when": datetime(2026, 11, 20, 12, tzinfo=UTC)}
    assert record["custom"] == 1
    assert "extra" not in record


def test_a_typed_and_a_free_form_message_about_one_task_merge(stub: ProvenanceStub) -> None:
    stub.Publish(batch(PublishMessage(task=Task(task_id="t", status=STATUS_RUNNING, used=document({"x": 1})))))
    stub.Publish(batch(task("t", status="FINISHED", generated={"y": 2})))
    record = stored(stub, "t")
    assert (record["status"], record["used"], record["generated"]) == ("FINISHED", {"x": 1}, {"y": 2})


def test_updates_that_arrive_in_the_wrong_order_merge_to_the_same_record(stub: ProvenanceStub) -> None:
    start: dict[str, Any] = {"status": "RUNNING", "started_at": 1.0, "used": {"x": 1}}
    end: dict[str, Any] = {"status": "FINISHED", "ended_at": 2.0, "generated": {"y": 2}}
    stub.Publish(batch(task("a", **start), task("b", **end)))
    stub.Publish(batch(task("b", **start), task("a", **end)))
    a, b = stored(stub, "a"), stored(stub, "b")
    fields = ("status", "started_at", "ended_at", "used", "generated")
    assert [a[field] for field in fields] == [b[field] for field in fields]
    assert a["status"] == "FINISHED"


def test_what_merging_remembers_is_shown_to_nobody(stub: ProvenanceStub) -> None:
    stream = subscribe(stub)
    stub.Publish(batch(task("a", started_at=1.0, hostname="h1"), task("a", ended_at=9.0, used={"x": 1})))
    shown = [stored(stub, "a"), *(bson.decode(event.document.bson) for event in events_until(stream, 2))]
    assert not [name for record in shown for name in record if name.startswith("_")]


def test_workflows_and_agents_go_to_their_collections(stub: ProvenanceStub) -> None:
    stub.Publish(
        batch(
            PublishMessage(workflow=Workflow(workflow_id="w", name="demo")),
            PublishMessage(agent=Agent(agent_id="g", name="helper")),
            message({"agent_id": "h", "name": "inferred"}),
        )
    )
    assert [record["name"] for record in find(stub, collection="WORKFLOWS")] == ["demo"]
    assert sorted(record["name"] for record in find(stub, collection="AGENTS")) == ["helper", "inferred"]


def test_a_repeated_message_id_is_acknowledged_and_stored_once(stub: ProvenanceStub) -> None:
    request = batch(task("a", "m1", used={"n": 1}), message({"activity_id": "no task_id"}, "m2"))
    first, second = stub.Publish(request), stub.Publish(request)
    assert (first.stored_count, first.duplicate_count) == (2, 0)
    assert (second.stored_count, second.duplicate_count, second.last_sequence) == (0, 2, 0)
    assert len(find(stub)) == 2


def test_an_empty_batch_is_fine(stub: ProvenanceStub) -> None:
    assert stub.Publish(PublishRequest()).stored_count == 0


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        (PublishMessage(), ("INVALID_FIELD", "record")),
        (PublishMessage(document=Document()), ("INVALID_FIELD", "document")),
        (message({"nothing": "tells"}), ("INVALID_FIELD", "type")),
        (task("t", status="DONE"), ("INVALID_FIELD", "status")),
        (task("x" * 300), ("INVALID_IDENTIFIER", "task_id")),
        (task("t", "m" * 300), ("INVALID_IDENTIFIER", "message_id")),
        (PublishMessage(task=Task(task_id="t", status=99)), ("INVALID_FIELD", "status")),  # type: ignore[arg-type]  # wrong
        (PublishMessage(task=Task(task_id="t", used=Document(bson=b"x"))), ("INVALID_DOCUMENT", "used")),
        (PublishMessage(task=Task(task_id="t", used=Document(json="[1]"))), ("INVALID_DOCUMENT", "used")),
        (
            PublishMessage(task=Task(task_id="t", started_at=Timestamp(seconds=2**50))),
            ("INVALID_FIELD", "started_at"),
        ),
    ],
)
def test_a_message_that_cannot_be_stored_names_its_field(
    stub: ProvenanceStub, published: PublishMessage, expected: tuple[str, str]
) -> None:
    assert rejected_field(stub, published) == expected


def test_a_record_that_would_outgrow_its_limit_is_rejected_and_points_to_blobs(stub: ProvenanceStub) -> None:
    stub.Publish(batch(task("t", used={"a": "x" * 2_000_000})))
    response = stub.Publish(batch(task("t", generated={"b": "x" * 2_000_000}), task("other")))
    [rejection] = response.rejections
    assert (rejection.index, rejection.reason) == (0, "RECORD_TOO_LARGE")
    assert "blob" in rejection.message
    assert response.stored_count == 1
    assert "generated" not in stored(stub, "t")


def test_a_record_of_nearly_three_mebibytes_is_stored_found_and_followed(stub: ProvenanceStub) -> None:
    stream = subscribe(stub)
    assert stub.Publish(batch(task("t", used={"a": "x" * 3_100_000}))).stored_count == 1
    assert len(stored(stub, "t")["used"]["a"]) == 3_100_000
    [event] = events_until(stream, 1)
    assert len(event.document.bson) > 3_100_000


def test_a_request_over_the_message_limit_is_refused_with_a_reason(stub: ProvenanceStub) -> None:
    with refused() as errors:
        stub.Publish(batch(*(task(f"t{i}", used={"a": "x" * 1_000_000}) for i in range(5))))
    assert isinstance(errors[0], ResourceExhaustedError)
    assert errors[0].reason is Reason.MESSAGE_TOO_LARGE


def _by_id(task_id: str) -> QueryRequest:
    return QueryRequest(collection=COLLECTION_TASKS, filter=document({"task_id": task_id}))


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
