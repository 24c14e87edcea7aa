"""The trace that a call belongs to, as W3C ``traceparent`` metadata, so that the service's spans join the caller's."""

from __future__ import annotations

import sys

from flowcept.transport._token import Metadata

_KEY = "traceparent"
_API = "opentelemetry.trace"


def trace_metadata(configured: str | None) -> Metadata:
    """The metadata of a call made now: of the active OpenTelemetry span, else of the configured trace, else none."""
    # A program that did not import OpenTelemetry has no active span, and need not import it for us.
    active = _active_span() if _API in sys.modules else None
    value = active or configured
    return () if value is None else ((_KEY, value),)


def _active_span() -> str | None:
    from opentelemetry import trace

    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"
