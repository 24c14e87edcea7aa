"""Settings of what the service tells about itself: probes, metrics, the status page and traces."""

from __future__ import annotations

from dataclasses import dataclass

from flowcept.config_values import optional_text, seconds
from flowcept_service.config.declaring import optional_port, ratio, setting


@dataclass(frozen=True, slots=True)
class ObservabilityOptions:
    """What the service tells about itself, and where. The log has a group of its own."""

    health_listen: str | None = setting(None, optional_port, env="HEALTH_LISTEN")
    """Where the standard health service listens a second time, as ``host:port``, in plain text and with nothing else.

    For probes of the kubelet, which speak no TLS, when the main port does."""

    http_listen: str | None = setting(None, optional_port, env="HTTP_LISTEN")
    """Where ``/metrics``, ``/statusz``, ``/livez`` and ``/readyz`` are served over HTTP, as ``host:port``."""

    probe_seconds: float = setting(5.0, seconds(0.05), env="PROBE_SECONDS")
    """Time between two looks at the store; what probes, metrics and the status page say is as old as this at most."""

    trace_endpoint: str | None = setting(None, optional_text, env="TRACE_ENDPOINT")
    """Collector that spans are sent to, over OTLP/gRPC: ``http://host:4317``, or ``https://`` with TLS.

    Needs the extra ``tracing``. No spans are made without it."""

    trace_ratio: float = setting(1.0, ratio, env="TRACE_RATIO")
    """Share of the calls that are traced, from 0 to 1, among those whose caller does not decide."""
