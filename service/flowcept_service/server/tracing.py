"""Spans of calls, sent to a collector. Needs the extra ``tracing``: nobody imports this module without the setting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import grpc
import structlog
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from flowcept.errors import InvalidArgumentError, shorten
from flowcept_service.rpc.handlers import SurroundingInterceptor
from flowcept_service.rpc.principal import current_principal

_SCHEMES = {"http": True, "https": False}
"""Whether a scheme means plain text."""
_EXPORT_SECONDS = 3
"""For one attempt to send spans: the end of the service waits for the last one."""
_ERRORS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""What OpenTelemetry calls errors of a server; the others are answers to what the client did."""


class Tracing(SurroundingInterceptor):
    """Makes a span of each call, which continues the trace of the client where it sends one (W3C ``traceparent``).

    Args:
        processor: Takes the spans.
        ratio: Share of the calls that are traced, among those whose client does not decide.
    """

    def __init__(self, processor: SpanProcessor, ratio: float) -> None:
        super().__init__()
        resource = Resource.create({"service.name": "flowcept-service", "service.version": version("flowcept-service")})
        # Of this service alone: the library's global provider is for programs.
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("flowcept_service")
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def to_collector(cls, endpoint: str, ratio: float) -> Tracing:
        """Send spans in the background, over OTLP/gRPC.

        Raises:
            InvalidArgumentError: The endpoint is none.
        """
        scheme, separator, address = endpoint.partition("://")
        if not separator or scheme not in _SCHEMES or not address.rpartition(":")[0]:
            raise InvalidArgumentError(
                f"trace_endpoint is {shorten(endpoint)}; give the address of an OTLP/gRPC collector, such as "
                "http://collector:4317",
                field="trace_endpoint",
                value=shorten(endpoint),
            )
        exporter = OTLPSpanExporter(endpoint=endpoint, insecure=_SCHEMES[scheme], timeout=_EXPORT_SECONDS)
        return cls(BatchSpanProcessor(exporter), ratio)

    @contextmanager
    def surround(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        """See SurroundingInterceptor."""
        carrier = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        _, service, name = method.split("/")
        with self._tracer.start_as_current_span(
            f"{service}/{name}",
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "rpc.service": service, "rpc.method": name},
            # What ends a call here is gRPC's own exception, whose text says nothing.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            logged = structlog.contextvars.get_contextvars()
            structlog.contextvars.bind_contextvars(trace_id=format_trace_id(span.get_span_context().trace_id))
            try:
                yield
            finally:
                _finish(span, context.code(), str(logged.get("request_id", "")))  # type: ignore[attr-defined]  # the stubs lack it

    def close(self) -> None:
        """Send what is left, as far as the collector takes it at once."""
        self._provider.shutdown()


def _finish(span: Span, code: grpc.StatusCode | None, request_id: str) -> None:
    ended = code or grpc.StatusCode.OK
    span.set_attribute("rpc.grpc.status_code", ended.value[0])
    span.set_attribute("flowcept.request_id", request_id)
    span.set_attribute("enduser.id", current_principal().name)
    if ended in _ERRORS:
        span.set_status(Status(StatusCode.ERROR, ended.name))
