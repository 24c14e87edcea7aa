"""A tiny OpenTelemetry collector: takes spans over OTLP/gRPC and keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import add_TraceServiceServicer_to_server
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """What was received."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802 - the contract of OTLP decides what it is called
        """Take spans."""
        for group in request.resource_spans:
            self.resources.append({entry.key: entry.value.string_value for entry in group.resource.attributes})
            for scope in group.scope_spans:
                self.spans += scope.spans
        return ExportTraceServiceResponse()

    def named(self, name: str) -> Span:
        """The only span of a name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span


def attributes(span: Span) -> dict[str, str | int]:
    """What a span says of its call."""
    return {
        entry.key: entry.value.int_value if entry.value.HasField("int_value") else entry.value.string_value
        for entry in span.attributes
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # generated without types
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()
