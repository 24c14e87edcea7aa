"""Bursts that are far larger than any buffer between the publisher and a consumer that does not keep up."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from flowcept.v1.provenance_service_pb2 import COLLECTION_TASKS, PublishRequest, QueryRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.provenance import document, subscribe, task
from tests.support.server import ServerProcess

PATIENCE = 100.0


@pytest.fixture(params=["lmdb", "mongodb"])
def stub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ProvenanceStub]:
    arguments = ["--store", request.param]
    if request.param == "mongodb":
        base, _, options = request.getfixturevalue("mongodb_uri").partition("?")
        arguments += ["--mongodb-uri", f"{base.rstrip('/')}/burst_{uuid.uuid4().hex}?{options}"]
    with ServerProcess(tmp_path, *arguments) as server, grpc.insecure_channel(server.target) as channel:
        yield ProvenanceStub(channel)


@pytest.mark.parametrize(("count", "batch", "size"), [(40_000, 400, 4700), (200_000, 1000, 100)], ids=["large", "many"])
def test_a_burst_with_a_slow_and_a_late_consumer_loses_nothing(
    stub: ProvenanceStub, count: int, batch: int, size: int
) -> None:
    slow = subscribe(stub, deadline=PATIENCE)
    _publish(stub, count, batch, "x" * size)
    late = subscribe(stub, deadline=PATIENCE, after_sequence=0)
    for stream in (slow, late):
        expected = 1
        for response in stream:
            for event in response.events:
                assert (event.sequence, event.id) == (expected, f"t{expected - 1}")
                expected += 1
            if response.position == count:
                break
        stream.cancel()
        assert expected == count + 1
    query = QueryRequest(collection=COLLECTION_TASKS, projection=document({"task_id": 1}))
    assert sum(len(response.documents) for response in stub.Query(query, timeout=PATIENCE)) == count


def _publish(stub: ProvenanceStub, count: int, batch: int, padding: str) -> None:
    for start in range(0, count, batch):
        messages = [task(f"t{n}", workflow_id="w", used={"pad": padding}) for n in range(start, start + batch)]
        response = stub.Publish(PublishRequest(messages=messages), timeout=PATIENCE)
        assert response.stored_count == batch
