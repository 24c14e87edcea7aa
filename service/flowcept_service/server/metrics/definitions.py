"""The table of all metrics: the only place where a metric is described. ``docs/metrics.md`` is made from it.

Labels have few values, all of which the service chooses: what users name (objects, workflows, consumers) is no label.
The names of the first group are those of go-grpc-prometheus, so that dashboards made for it work.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """How Prometheus treats the values."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric."""

    name: str
    """As it is exposed; that of a counter ends in ``_total``."""
    type: MetricType
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram."""


_COUNTER, _GAUGE, _HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_COUNTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
_METHOD = ("grpc_type", "grpc_service", "grpc_method")

STARTED = Definition("grpc_server_started_total", _COUNTER, _METHOD, "Calls that began.")
HANDLED = Definition(
    "grpc_server_handled_total", _COUNTER, (*_METHOD, "grpc_code"), "Calls that ended, by status code (OK, NotFound)."
)
RECEIVED = Definition("grpc_server_msg_received_total", _COUNTER, _METHOD, "Messages received from clients.")
SENT = Definition("grpc_server_msg_sent_total", _COUNTER, _METHOD, "Messages sent to clients.")
HANDLING = Definition(
    "grpc_server_handling_seconds",
    _HISTOGRAM,
    _METHOD,
    "Time from the beginning of a call to its end; of a stream, as long as it lasts.",
    _SECONDS,
)
REFUSALS = Definition(
    "flowcept_refusals_total",
    _COUNTER,
    ("grpc_method", "reason"),
    "Calls that ended with an error, by the reason that the client was given. Every limit has a reason of its own.",
)

CALLS = (STARTED, HANDLED, RECEIVED, SENT, HANDLING, REFUSALS)
DEFINITIONS: tuple[Definition, ...] = (*CALLS,)
"""Every metric of the service's own. The metrics of the process (``process_*``, ``python_*``) are the library's."""
