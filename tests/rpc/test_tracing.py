"""Spans of calls: sent to a collector, continuing the traces of clients; and what is done without any of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Received
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import format_span_id, format_trace_id

from flowcept.config import ClientSettings
from flowcept.db import DBAPI
from flowcept.errors import InvalidArgumentError, NotFoundError
from flowcept.v1.blob_store_service_pb2 import GetUploadRequest
from flowcept_service.server import tracing
from flowcept_service.server.service import Service
from tests.support.blobs import MIB, Blobs, pattern
from tests.support.collector import Collector, attributes, collecting
from tests.support.conditions import PATIENCE
from tests.support.server import service_in_process

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
BLOB_STORE = "flowcept.v1.BlobStore"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@contextmanager
def traced(directory: Path, collector: Collector, **options: float) -> Iterator[Service]:
    """A service that has sent all its spans at the end."""
    observability = {"trace_endpoint": collector.endpoint, **options}
    with service_in_process(directory / "data", observability=observability) as service:
        yield service


def ask(service: Service, *metadata: tuple[str, str]) -> None:
    with grpc.insecure_channel(service.target) as channel:
        Blobs(channel).stub.GetUpload(GetUploadRequest(upload_id="u"), metadata=metadata)


def client(service: Service, **given: str) -> DBAPI:
    return DBAPI(ClientSettings.load(environ={}, target=service.target, **given))


def test_a_span_continues_the_trace_of_the_client(tmp_path: Path, collector: Collector) -> None:
    with traced(tmp_path, collector) as service:
        ask(service, ("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "mine"))
    span = collector.named(f"{BLOB_STORE}/GetUpload")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.kind == Received.SPAN_KIND_SERVER
    assert attributes(span) == {
        "rpc.system": "grpc",
        "rpc.service": BLOB_STORE,
        "rpc.method": "GetUpload",
        "rpc.grpc.status_code": 0,
        "flowcept.request_id": "mine",
        "enduser.id": "anonymous",
    }
    assert collector.resources[0]["service.name"] == "flowcept-service"


def test_a_call_without_a_trace_begins_one(tmp_path: Path, collector: Collector) -> None:
    with traced(tmp_path, collector) as service:
        ask(service)
        ask(service, ("traceparent", "nonsense"))
    assert len({span.trace_id for span in collector.spans}) == 2
    assert not any(span.parent_span_id for span in collector.spans)


def test_what_the_client_decided_not_to_trace_is_not_traced(tmp_path: Path, collector: Collector) -> None:
    with traced(tmp_path, collector) as service:
        ask(service, ("traceparent", f"00-{TRACE}-{PARENT}-00"))
    assert collector.spans == []


def test_the_ratio_decides_where_the_client_does_not(tmp_path: Path, collector: Collector) -> None:
    with traced(tmp_path, collector, trace_ratio=0.0) as service:
        ask(service)
        ask(service, ("traceparent", f"00-{TRACE}-{PARENT}-01"))
    assert [span.trace_id.hex() for span in collector.spans] == [TRACE]


def test_spans_tell_how_a_call_ended(tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    with traced(tmp_path, collector) as service, grpc.insecure_channel(service.target) as channel:
        blobs = Blobs(channel)
        assert Blobs.failing(lambda: blobs.object("nothing")).reason == "OBJECT_NOT_FOUND"
        monkeypatch.setattr(service.storage.events, "acknowledge", broken)
        monkeypatch.setattr(service.storage.payloads, "staged", broken)
        assert Blobs.failing(blobs.staged).reason == "INTERNAL"
    answered, failed = collector.named(f"{BLOB_STORE}/GetObject"), collector.named(f"{BLOB_STORE}/GetUpload")
    assert (attributes(answered)["rpc.grpc.status_code"], answered.status.code) == (5, Status.STATUS_CODE_UNSET)
    assert (attributes(failed)["rpc.grpc.status_code"], failed.status.code) == (13, Status.STATUS_CODE_ERROR)
    assert b"secret" not in failed.SerializeToString()


def test_the_client_hands_its_active_span_on_for_calls_and_streams(tmp_path: Path, collector: Collector) -> None:
    tracer = TracerProvider().get_tracer("test")
    with traced(tmp_path, collector) as service, client(service) as db:
        with tracer.start_as_current_span("work") as span:
            object_id = db.save_or_update_object(pattern(2 * MIB))
            assert db.get_blob_object(object_id).data == pattern(2 * MIB)
        with pytest.raises(NotFoundError):
            db.get_blob_object("nothing")
    own = span.get_span_context()
    joined = {s.name for s in collector.spans if s.trace_id.hex() == format_trace_id(own.trace_id)}
    assert {f"{BLOB_STORE}/Upload", f"{BLOB_STORE}/Download"} <= joined
    upload = collector.named(f"{BLOB_STORE}/Upload")
    assert upload.parent_span_id.hex() == format_span_id(own.span_id)
    assert any(s.trace_id.hex() != format_trace_id(own.trace_id) for s in collector.spans)


def test_a_trace_can_be_configured_for_a_client_that_makes_no_spans(tmp_path: Path, collector: Collector) -> None:
    with traced(tmp_path, collector) as service, client(service, traceparent=f"00-{TRACE}-{PARENT}-01") as db:
        db.save_or_update_object(b"bytes")
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}


def test_a_collector_that_is_away_delays_neither_calls_nor_the_end_for_long(tmp_path: Path) -> None:
    observability = {"trace_endpoint": "http://127.0.0.1:1"}
    with service_in_process(tmp_path / "data", observability=observability) as service:
        started = time.monotonic()
        for _ in range(10):
            ask(service)
        ended = time.monotonic()
    # Calls that waited for an attempt to send their spans would take ten times as long as one attempt may.
    assert ended - started < 5 * tracing._EXPORT_SECONDS
    assert time.monotonic() - ended < 10 * tracing._EXPORT_SECONDS


@pytest.mark.parametrize("endpoint", ["collector:4317", "ftp://collector:4317", "http://", "http://4317"])
def test_an_endpoint_that_is_none_is_refused_with_an_example(tmp_path: Path, endpoint: str) -> None:
    with (
        pytest.raises(InvalidArgumentError, match="http://collector:4317"),
        service_in_process(tmp_path / "data", observability={"trace_endpoint": endpoint}),
    ):
        pass


def test_without_the_extra_the_setting_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "flowcept_service.server.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    with (
        pytest.raises(InvalidArgumentError, match=r"pip install 'flowcept-service\[tracing\]'"),
        service_in_process(tmp_path / "data", observability={"trace_endpoint": "http://collector:4317"}),
    ):
        pass


def test_a_service_and_a_client_without_tracing_do_not_import_opentelemetry(tmp_path: Path) -> None:
    program = f"""
import sys
from flowcept import Flowcept
from flowcept_service.config import ServiceSettings
from flowcept_service.server.composition import compose
from flowcept.config import ClientSettings
from flowcept.db import DBAPI
service = compose(ServiceSettings.load(environ={{}}, listen="127.0.0.1:0", data_dir={str(tmp_path / "data")!r}))
service.start()
with DBAPI(ClientSettings.load(environ={{}}, target=service.target)) as db:
    db.save_or_update_object(b"bytes")
service.stop(0.0)
assert not [name for name in sys.modules if name.startswith("opentelemetry")], sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
