"""What is counted about calls, and under which names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import DownloadRequest
from flowcept.v1.provenance_service_pb2 import COLLECTION_TASKS, QueryRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.server.service import Service
from tests.support.blobs import MIB, Blobs, chunks, commit, header, pattern
from tests.support.conditions import eventually
from tests.support.metrics import Scrape, scrape
from tests.support.provenance import batch, document, task
from tests.support.server import service_in_process

BLOB_STORE = "flowcept.v1.BlobStore"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with service_in_process(tmp_path / "data", observability={"http_listen": "127.0.0.1:0"}) as service:
        yield service


@pytest.fixture
def blobs(service: Service) -> Iterator[Blobs]:
    with grpc.insecure_channel(service.target) as channel:
        yield Blobs(channel)


def ended(service: Service, method: str, calls: int) -> Scrape:
    """Wait until so many calls of a method were counted: a client has its answer a moment before."""
    labels = {"grpc_service": BLOB_STORE, "grpc_method": method}
    eventually(lambda: scrape(service).value("grpc_server_handling_seconds_count", **labels) == calls)
    return scrape(service)


def test_calls_are_counted_under_the_names_of_go_grpc_prometheus(service: Service, blobs: Blobs) -> None:
    began = time.monotonic()
    blobs.staged("nothing")
    blobs.staged("nothing")
    found = ended(service, "GetUpload", 2)
    took = time.monotonic() - began
    labels = {"grpc_type": "unary", "grpc_service": BLOB_STORE, "grpc_method": "GetUpload"}
    assert found.value("grpc_server_started_total", **labels) == 2
    assert found.value("grpc_server_handled_total", **labels, grpc_code="OK") == 2
    assert found.value("grpc_server_msg_received_total", **labels) == 2
    assert found.value("grpc_server_msg_sent_total", **labels) == 2
    assert 0 < found.value("grpc_server_handling_seconds_sum", **labels) < took


def test_messages_of_streams_are_counted_one_by_one(service: Service, blobs: Blobs) -> None:
    data = pattern(3 * MIB)
    sent = [header(), *chunks(data), commit(data)]
    blobs.upload(sent)
    assert blobs.get() == data
    found = ended(service, "Download", 1)
    upload = {"grpc_type": "client_stream", "grpc_method": "Upload"}
    assert found.value("grpc_server_msg_received_total", **upload) == len(sent)
    assert found.value("grpc_server_msg_sent_total", **upload) == 1
    download = {"grpc_type": "server_stream", "grpc_method": "Download"}
    assert found.value("grpc_server_msg_received_total", **download) == 1
    assert found.value("grpc_server_msg_sent_total", **download) > 1


def test_an_error_is_counted_with_its_code_and_its_reason(service: Service, blobs: Blobs) -> None:
    assert Blobs.failing(lambda: blobs.object("nothing")).reason == "OBJECT_NOT_FOUND"
    found = ended(service, "GetObject", 1)
    assert found.value("grpc_server_handled_total", grpc_method="GetObject", grpc_code="NotFound") == 1
    assert found.value("grpc_server_handled_total", grpc_method="GetObject", grpc_code="OK") == 0
    assert found.value("flowcept_refusals_total", grpc_method="GetObject", reason="OBJECT_NOT_FOUND") == 1


def test_a_call_that_its_client_leaves_is_counted_as_cancelled(service: Service, blobs: Blobs) -> None:
    data = pattern(64 * MIB)
    blobs.upload([header(), *chunks(data), commit(data)])
    call = blobs.stub.Download(DownloadRequest(object_id="object"))
    next(iter(call))
    call.cancel()
    found = ended(service, "Download", 1)
    assert found.value("grpc_server_handled_total", grpc_method="Download", grpc_code="Canceled") == 1


def test_names_that_clients_invent_make_no_metrics(service: Service, blobs: Blobs) -> None:
    with grpc.insecure_channel(service.target) as channel:
        call: Any = channel.unary_unary("/flowcept.v1.BlobStore/Invented")
        with pytest.raises(grpc.RpcError):
            call(b"")
    blobs.staged("invented-upload")
    ended(service, "GetUpload", 1)
    assert "nvented" not in service_exposition(service)


def test_scans_that_rest_while_other_calls_are_at_work_are_counted(service: Service, blobs: Blobs) -> None:
    with grpc.insecure_channel(service.target) as channel:
        provenance = ProvenanceStub(channel)
        provenance.Publish(batch(*(task(f"t{n}", used={"n": n}) for n in range(1000))))
        assert scrape(service).value("flowcept_scan_rest_seconds_total") == 0
        nothing = document({"$or": [{f"used.a{n}": 1} for n in range(100)]})

        def some_rest() -> bool:
            scan = provenance.Query(QueryRequest(collection=COLLECTION_TASKS, filter=nothing))
            while scan.is_active():
                provenance.Publish(batch(task("other")))
            assert not list(scan)
            return scrape(service).value("flowcept_scan_rest_seconds_total") > 0

        eventually(some_rest)


def service_exposition(service: Service) -> str:
    return str(scrape(service).families)
