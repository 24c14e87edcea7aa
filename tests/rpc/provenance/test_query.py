import json
from typing import Any

import bson
import grpc
import pytest

from flowcept.errors import InvalidArgumentError, Reason
from flowcept.v1.document_pb2 import DOCUMENT_ENCODING_JSON, Document
from flowcept.v1.provenance_service_pb2 import (
    AGGREGATION_OPERATOR_AVG,
    AGGREGATION_OPERATOR_COUNT,
    COLLECTION_TASKS,
    Aggregation,
    PublishRequest,
    QueryRequest,
    SortKey,
)
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.provenance import DEADLINE, batch, document, find, refused, task


def publish_numbers(stub: ProvenanceStub, count: int, size: int = 10) -> None:
    for start in range(0, count, 500):
        messages = [
            task(f"t{n}", workflow_id=f"w{n % 4}", used={"n": n, "pad": "x" * size})
            for n in range(start, min(start + 500, count))
        ]
        assert stub.Publish(PublishRequest(messages=messages)).stored_count == len(messages)


def numbers(results: list[dict[str, Any]]) -> list[int]:
    return [result["used"]["n"] for result in results]


def test_filter_sort_skip_limit_and_projection_work_together(stub: ProvenanceStub) -> None:
    publish_numbers(stub, 20)
    results = find(
        stub,
        {"workflow_id": "w1", "used.n": {"$gte": 4}},
        sort=[SortKey(field="used.n", descending=True)],
        skip=1,
        limit=2,
        projection=document({"used.n": 1, "_id": 0}),
    )
    assert results == [{"used": {"n": 13}}, {"used": {"n": 9}}]


def test_a_filter_may_be_json(stub: ProvenanceStub) -> None:
    publish_numbers(stub, 8)
    request = QueryRequest(collection=COLLECTION_TASKS, filter=Document(json='{"used.n": {"$lt": 3}}'))
    assert sum(len(response.documents) for response in stub.Query(request)) == 3


def test_results_come_as_json_when_asked_for(stub: ProvenanceStub) -> None:
    publish_numbers(stub, 1)
    request = QueryRequest(collection=COLLECTION_TASKS, encoding=DOCUMENT_ENCODING_JSON)
    [response] = stub.Query(request)
    record = json.loads(response.documents[0].json)
    assert record["used"] == {"n": 0, "pad": "x" * 10}
    assert set(record["registered_at"]) == {"$date"}


def test_a_result_whose_json_would_not_fit_into_a_message_comes_as_bson(stub: ProvenanceStub) -> None:
    stub.Publish(batch(task("t", used={"raw": b"\x00" * 3_100_000})))
    request = QueryRequest(collection=COLLECTION_TASKS, encoding=DOCUMENT_ENCODING_JSON)
    [response] = stub.Query(request)
    assert len(bson.decode(response.documents[0].bson)["used"]["raw"]) == 3_100_000


def test_aggregations_group(stub: ProvenanceStub) -> None:
    publish_numbers(stub, 8)
    results = find(
        stub,
        aggregations=[
            Aggregation(operator=AGGREGATION_OPERATOR_AVG, field="used.n"),
            Aggregation(operator=AGGREGATION_OPERATOR_COUNT),
        ],
        group_by=["workflow_id"],
        sort=[SortKey(field="workflow_id")],
        limit=2,
    )
    rows = [(row["workflow_id"], row["avg_used_n"], row["count"]) for row in results]
    assert rows == [("w0", 2.0, 2), ("w1", 3.0, 2)]


def test_a_query_without_results_ends_without_a_batch(stub: ProvenanceStub) -> None:
    assert list(stub.Query(QueryRequest(collection=COLLECTION_TASKS))) == []


def test_many_results_come_in_bounded_batches_and_the_first_ones_early(stub: ProvenanceStub) -> None:
    publish_numbers(stub, 4000, size=1000)
    sizes = []
    results = 0
    for response in stub.Query(QueryRequest(collection=COLLECTION_TASKS), timeout=DEADLINE):
        sizes.append(response.ByteSize())
        results += len(response.documents)
    assert results == 4000
    assert max(sizes) < 2 << 20
    assert sizes[0] < 256 << 10


def test_a_cancelled_query_leaves_the_service_free_for_others(stub: ProvenanceStub) -> None:
    publish_numbers(stub, 4000, size=1000)
    calls = [stub.Query(QueryRequest(collection=COLLECTION_TASKS), timeout=DEADLINE) for _ in range(200)]
    for call in calls:
        next(iter(call))
        call.cancel()
    assert numbers(find(stub, {"task_id": "t7"})) == [7]


@pytest.mark.parametrize(
    ("filter", "reason", "operator"),
    [
        ({"$where": "sleep(1000)"}, Reason.UNSUPPORTED_OPERATOR, "$where"),
        ({"x": {"$function": {"body": "f", "args": [], "lang": "js"}}}, Reason.UNSUPPORTED_OPERATOR, "$function"),
        ({"$expr": {"$gt": ["$a", 1]}}, Reason.UNSUPPORTED_OPERATOR, "$expr"),
        ({"$and": []}, Reason.INVALID_FILTER, "$and"),
    ],
)
def test_a_filter_that_cannot_be_evaluated_names_the_operator(
    stub: ProvenanceStub, filter: dict[str, Any], reason: Reason, operator: str
) -> None:
    with refused() as errors:
        find(stub, filter)
    assert isinstance(errors[0], InvalidArgumentError)
    assert (errors[0].reason, errors[0].metadata["operator"]) == (reason, operator)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"collection": 0}, "collection"),
        ({"collection": 77}, "collection"),
        ({"collection": 1, "skip": -1}, "skip"),
        ({"collection": 1, "limit": -1}, "limit"),
        ({"collection": 1, "encoding": 9}, "encoding"),
        ({"collection": 1, "filter": Document(bson=b"x")}, "filter"),
        ({"collection": 1, "projection": document({"a": 1, "b": 0})}, "projection"),
        ({"collection": 1, "sort": [SortKey(field="")]}, "sort"),
        ({"collection": 1, "aggregations": [Aggregation(field="a")]}, "aggregation"),
        ({"collection": 1, "group_by": ["a"]}, "group_by"),
    ],
)
def test_a_request_that_makes_no_sense_names_the_field(stub: ProvenanceStub, given: dict[str, Any], field: str) -> None:
    with refused() as errors:
        list(stub.Query(QueryRequest(**given)))
    assert isinstance(errors[0], InvalidArgumentError)
    assert errors[0].metadata["field"] == field


def test_a_request_that_is_no_message_is_refused_as_bad_input(stub: ProvenanceStub, service: Any) -> None:
    with grpc.insecure_channel(service.target) as channel:
        query: Any = channel.unary_stream("/flowcept.v1.Provenance/Query")
        with refused() as errors:
            list(query(b"\xff\xff"))
    assert isinstance(errors[0], InvalidArgumentError)
