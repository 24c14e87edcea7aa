"""What every method has in common, the standard services, and the end of a service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from flowcept.v1.blob_store_service_pb2 import DownloadRequest, GetObjectRequest, UploadRequest
from flowcept.v1.provenance_service_pb2 import COLLECTION_TASKS, PublishRequest, QueryRequest, SubscribeRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.server.service import Service
from tests.support.blobs import MIB, Blobs, chunks, commit, failure_of, header, pattern
from tests.support.conditions import PATIENCE, eventually
from tests.support.provenance import task
from tests.support.server import service_in_process

SERVICES = ["flowcept.v1.BlobStore", "flowcept.v1.Provenance"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with service_in_process(tmp_path / "data") as service:
        yield service


@pytest.fixture
def channel(service: Service) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.target) as channel:
        yield channel


def health(channel: grpc.Channel, service: str = "") -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    return int(stub.Check(health_pb2.HealthCheckRequest(service=service)).status)


@pytest.mark.parametrize("name", ["", *SERVICES])
def test_health_is_told_for_the_server_and_each_service(channel: grpc.Channel, name: str) -> None:
    assert health(channel, name) == health_pb2.HealthCheckResponse.SERVING


def test_reflection_describes_both_services(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(SERVICES) <= set(database.get_services())
    pool = DescriptorPool(database)
    upload = pool.FindServiceByName("flowcept.v1.BlobStore").methods_by_name["Upload"]
    assert (upload.client_streaming, upload.server_streaming) == (True, False)
    assert upload.input_type.full_name == "flowcept.v1.UploadRequest"


def test_a_defect_is_answered_with_a_request_id_and_without_its_text(
    service: Service, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(service.storage.objects, "get", broken)
    failure = Blobs.failing(lambda: Blobs(channel).object())
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in failure.error.message
    assert failure.metadata["request_id"] in failure.error.message


def test_the_client_s_request_id_is_used(channel: grpc.Channel) -> None:
    call = Blobs(channel).stub.GetObject.future(
        GetObjectRequest(object_id="nothing"), metadata=(("x-request-id", "mine-1"),)
    )
    call.exception()
    assert dict(call.trailing_metadata())["x-request-id"] == "mine-1"


@pytest.mark.parametrize("bad", ["", "x" * 65, "with space"])
def test_a_request_id_that_could_spoil_the_log_is_replaced(channel: grpc.Channel, bad: str) -> None:
    call = Blobs(channel).stub.GetObject.future(
        GetObjectRequest(object_id="nothing"), metadata=(("x-request-id", bad),)
    )
    call.exception()
    assert dict(call.trailing_metadata())["x-request-id"] not in ("", bad)


def test_an_unknown_method_is_unimplemented(channel: grpc.Channel) -> None:
    call: Any = channel.unary_unary("/flowcept.v1.BlobStore/Nothing")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"")
    assert failure_of(caught.value).reason == "NOT_IMPLEMENTED"


def test_streams_that_hold_their_threads_do_not_keep_unary_calls_waiting(tmp_path: Path) -> None:
    limits = {"max_calls": 2, "max_downloads": 2, "max_uploads": 2}
    with service_in_process(tmp_path / "data", limits=limits) as service, grpc.insecure_channel(service.target) as ch:
        blobs = Blobs(ch)
        blobs.put(pattern(64 * MIB), "u")
        readers = [blobs.stub.Download(DownloadRequest(object_id="object")) for _ in range(8)]
        assert blobs.object().version == 0
        for reader in readers:
            reader.cancel()


def test_a_draining_service_refuses_new_calls_and_lets_uploads_finish(tmp_path: Path) -> None:
    data = pattern(9 * MIB)
    with service_in_process(tmp_path / "data") as service, grpc.insecure_channel(service.target) as channel:
        blobs = Blobs(channel)
        queue: SimpleQueue[UploadRequest | None] = SimpleQueue()
        for message in (header(), *chunks(data)):
            queue.put(message)
        upload = blobs.stub.Upload.future(iter(queue.get, None))
        eventually(lambda: blobs.staged().staged_bytes > 0)
        stopping = threading.Thread(target=service.stop, args=(PATIENCE,))
        stopping.start()
        eventually(lambda: _refusal(blobs) == "DRAINING")
        assert health(channel) == health_pb2.HealthCheckResponse.NOT_SERVING
        queue.put(commit(data))
        queue.put(None)
        assert upload.result(timeout=PATIENCE).object.version == 0
        stopping.join(timeout=PATIENCE)
        assert not stopping.is_alive()


def test_an_upload_that_outlasts_the_grace_period_keeps_what_arrived(tmp_path: Path) -> None:
    data = pattern(9 * MIB)
    with service_in_process(tmp_path / "data") as service, grpc.insecure_channel(service.target) as channel:
        queue: SimpleQueue[UploadRequest | None] = SimpleQueue()
        for message in (header(), *chunks(data)):
            queue.put(message)
        upload = Blobs(channel).stub.Upload.future(iter(queue.get, None))
        eventually(lambda: Blobs(channel).staged().staged_bytes > 0)
        service.stop(0.1)
        queue.put(None)
        assert isinstance(upload.exception(timeout=PATIENCE), grpc.RpcError)
    with service_in_process(tmp_path / "data") as service, grpc.insecure_channel(service.target) as channel:
        blobs = Blobs(channel)
        staged = blobs.staged().staged_bytes
        assert staged >= 8 * MIB
        blobs.upload([header(), *chunks(data, start=staged), commit(data)])
        assert blobs.get() == data


def test_calls_that_outlast_the_grace_period_end_with_a_status_that_asks_for_another_attempt(tmp_path: Path) -> None:
    with service_in_process(tmp_path / "data") as service, grpc.insecure_channel(service.target) as channel:
        blobs = Blobs(channel)
        blobs.put(pattern(64 * MIB), "u1")
        provenance = ProvenanceStub(channel)
        for start in range(0, 1000, 100):
            messages = [task(f"t{n}", filling="x" * 20_000) for n in range(start, start + 100)]
            provenance.Publish(PublishRequest(messages=messages))
        streams: list[Any] = [
            blobs.stub.Download(DownloadRequest(object_id="object")),
            provenance.Query(QueryRequest(collection=COLLECTION_TASKS)),
            provenance.Subscribe(SubscribeRequest()),
        ]
        for stream in streams:
            next(stream)
        service.stop(0.1)
        for stream in streams:
            with pytest.raises(grpc.RpcError) as caught:
                list(stream)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_draining_service_lives_and_says_that_it_is_not_ready_before_it_refuses_calls(tmp_path: Path) -> None:
    seen: list[tuple[bool, bool]] = []
    with service_in_process(tmp_path / "data") as service:
        close = service.admission.close

        def closing() -> None:
            health = service.observation.health
            seen.append((bool(health.not_ready), bool(health.not_alive)))
            close()

        service.admission.close = closing  # type: ignore[method-assign]  # looked at in the middle
        service.stop(0.0)
    assert seen[0] == (True, False)


def _refusal(blobs: Blobs) -> str:
    try:
        blobs.staged()
    except grpc.RpcError as error:
        return failure_of(error).reason
    return ""
