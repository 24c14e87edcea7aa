"""Whatever arrives at whatever method, the answer is a result or a documented refusal: never a defect, never silence.

``FLOWCEPT_FUZZ_EXAMPLES=20000 pytest tests/rpc/test_fuzz.py`` looks for hours where the routine looks for seconds.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowcept.status import DETAILS_KEY
from flowcept.v1 import blob_store_service_pb2, provenance_service_pb2
from flowcept.v1.errors_pb2 import ErrorReason
from flowcept.v1.provenance_service_pb2 import AcknowledgeRequest, PublishRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.conformance.query.generators import QueryGenerator
from tests.support.blobs import Blobs, failure_of
from tests.support.fuzzing import PAYLOADS, streams
from tests.support.provenance import task
from tests.support.server import ServerProcess

EXAMPLES = int(os.environ.get("FLOWCEPT_FUZZ_EXAMPLES", "0"))
"""Examples for each method; 0: the routine number, always the same ones."""
LMDB_EXAMPLES = EXAMPLES or 40
MONGODB_EXAMPLES = EXAMPLES or 20
DEADLINE = 20.0
"""Seconds after which a call counts as hanging."""
RESPONSES = 3
"""Messages of a stream that are looked at, for some streams have no end."""
SERVICES = (
    blob_store_service_pb2.DESCRIPTOR.services_by_name["BlobStore"],
    provenance_service_pb2.DESCRIPTOR.services_by_name["Provenance"],
)
METHODS = [method for service in SERVICES for method in service.methods]
NEVER = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED}

any_method = pytest.mark.parametrize("method", METHODS, ids=[method.name for method in METHODS])


@pytest.fixture(scope="module")
def lmdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    with ServerProcess(tmp_path_factory.mktemp("fuzz")) as server:
        yield from _filled(server)


@pytest.fixture(scope="module")
def mongodb(tmp_path_factory: pytest.TempPathFactory, mongodb_uri: str) -> Iterator[grpc.Channel]:
    base, _, query = mongodb_uri.partition("?")
    uri = f"{base.rstrip('/')}/fuzz_{uuid.uuid4().hex[:8]}?{query}"
    environ = {"FLOWCEPT_SERVICE_STORE": "mongodb", "FLOWCEPT_SERVICE_MONGODB_URI": uri}
    with ServerProcess(tmp_path_factory.mktemp("fuzz"), environ=environ) as server:
        yield from _filled(server)


def _filled(server: ServerProcess) -> Iterator[grpc.Channel]:
    """A channel to a service that has something under the names that requests use; its log must stay clean."""
    with grpc.insecure_channel(server.target) as channel:
        Blobs(channel).put(PAYLOADS[0], "upload", control_version=True, fields={"campaign_id": "campaign"})
        generator = QueryGenerator(random.Random(1))
        tasks = [task(f"t{n}", workflow_id="workflow", used={"n": n}, **generator.document()) for n in range(60)]
        ProvenanceStub(channel).Publish(PublishRequest(messages=[*tasks, task("task", campaign_id="campaign")]))
        ProvenanceStub(channel).Acknowledge(AcknowledgeRequest(consumer="consumer", sequence=3))
        yield channel
    log = server.log.read_text()
    assert "Traceback" not in log, log[-4000:]
    assert '"level": "error"' not in log, log[-4000:]


def check(channel: grpc.Channel, method: Any, messages: list[bytes]) -> None:
    """Send raw messages to a method; its answer must be one of the contract's."""
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    call = getattr(channel, kind)(f"/{method.containing_service.full_name}/{method.name}")
    try:
        answer = call(iter(messages) if method.client_streaming else messages[0], timeout=DEADLINE)
        if method.server_streaming:
            for _ in range(RESPONSES):
                next(answer, None)
                if method.name == "Subscribe":
                    break
            answer.cancel()
    except grpc.RpcError as error:
        failure = failure_of(error)
        assert failure.code not in NEVER, failure.error.message
        details: Any = error
        assert DETAILS_KEY in dict(details.trailing_metadata() or ()), f"{failure.code} without a reason"
        assert failure.reason in ErrorReason.keys()  # noqa: SIM118 - an enum of protobuf is no mapping
        assert failure.reason not in ("ERROR_REASON_UNSPECIFIED", "INTERNAL")


def fuzzed(examples: int) -> settings:
    """Settings of one run."""
    return settings(
        max_examples=examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@any_method
@fuzzed(LMDB_EXAMPLES)
@given(data=st.data())
def test_no_message_finds_a_defect(lmdb: grpc.Channel, method: Any, data: st.DataObject) -> None:
    check(lmdb, method, data.draw(streams(method.input_type)))


@any_method
@fuzzed(MONGODB_EXAMPLES)
@given(data=st.data())
def test_no_message_finds_a_defect_on_mongodb(mongodb: grpc.Channel, method: Any, data: st.DataObject) -> None:
    check(mongodb, method, data.draw(streams(method.input_type)))
