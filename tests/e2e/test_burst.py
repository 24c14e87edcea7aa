"""A burst that is far larger than any buffer between the publisher and a consumer that does not keep up."""

from __future__ import annotations

from pathlib import Path

import grpc

from flowcept.v1.provenance_service_pb2 import COLLECTION_TASKS, PublishRequest, QueryRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.provenance import document, subscribe, task
from tests.support.server import ServerProcess

TASKS = 40_000
PADDING = "x" * 4700
BATCH = 400
PATIENCE = 100.0


def test_a_burst_of_40000_large_tasks_with_a_slow_consumer_loses_nothing(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server, grpc.insecure_channel(server.target) as channel:
        stub = ProvenanceStub(channel)
        slow = subscribe(stub, deadline=PATIENCE)
        _publish(stub)
        late = subscribe(stub, deadline=PATIENCE, after_sequence=0)
        for stream in (slow, late):
            expected = 1
            for response in stream:
                for event in response.events:
                    assert (event.sequence, event.id) == (expected, f"t{expected - 1}")
                    expected += 1
                if response.position == TASKS:
                    break
            stream.cancel()
            assert expected == TASKS + 1
        query = QueryRequest(collection=COLLECTION_TASKS, projection=document({"task_id": 1}))
        assert sum(len(response.documents) for response in stub.Query(query, timeout=PATIENCE)) == TASKS


def _publish(stub: ProvenanceStub) -> None:
    for start in range(0, TASKS, BATCH):
        messages = [task(f"t{n}", workflow_id="w", used={"pad": PADDING}) for n in range(start, start + BATCH)]
        response = stub.Publish(PublishRequest(messages=messages), timeout=PATIENCE)
        assert response.stored_count == BATCH
