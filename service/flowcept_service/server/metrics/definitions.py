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
RESTS = Definition(
    "flowcept_scan_rest_seconds_total",
    _COUNTER,
    (),
    "Time that scans rested while other calls were at work; see FLOWCEPT_SERVICE_SCAN_PERCENT.",
)

STORE_UP = Definition(
    "flowcept_store_up",
    _GAUGE,
    (),
    "1 while the store answers, else 0; see FLOWCEPT_SERVICE_PROBE_SECONDS.",
)
STORE_PROBE = Definition("flowcept_store_probe_seconds", _GAUGE, (), "How long the last look at the store took.")
STORE_USED = Definition(
    "flowcept_store_used_bytes",
    _GAUGE,
    ("database",),
    "What a database holds: LMDB's `records` and `payloads`, or `mongodb`.",
)
STORE_FILE = Definition(
    "flowcept_store_file_bytes", _GAUGE, ("database",), "What a database takes on the disk, free pages inside included."
)
STORE_FREE = Definition("flowcept_store_free_disk_bytes", _GAUGE, (), "What may still be written to the store's disk.")
COMMIT_SECONDS = Definition(
    "flowcept_store_commit_seconds",
    _HISTOGRAM,
    ("writer",),
    "Time to commit a group of changes, made durable: by LMDB's `records` or `payloads`, or by `mongodb`.",
    _SECONDS,
)
COMMIT_OPERATIONS = Definition(
    "flowcept_store_commit_operations", _HISTOGRAM, ("writer",), "Operations that shared one commit.", _COUNTS
)
QUEUE = Definition("flowcept_store_queue_operations", _GAUGE, ("writer",), "Operations that wait for the next commit.")
WRITER_ALIVE = Definition(
    "flowcept_store_writer_alive", _GAUGE, ("writer",), "1 while the thread that commits runs; 0 needs a restart."
)

LAST_SEQUENCE = Definition("flowcept_log_last_sequence", _GAUGE, (), "Sequence of the newest event.")
OLDEST_SEQUENCE = Definition("flowcept_log_oldest_sequence", _GAUGE, (), "Sequence of the oldest event still held.")
LOG_BYTES = Definition("flowcept_log_bytes", _GAUGE, (), "Size of the events that are held.")
APPENDED = Definition(
    "flowcept_events_appended_total",
    _COUNTER,
    ("kind",),
    "Events that this process has committed: `task`, `workflow`, `agent` or `object`.",
)

UPLOADS_ACTIVE = Definition("flowcept_uploads_active", _GAUGE, (), "Uploads under way in this process.")
UPLOADS_STAGED = Definition(
    "flowcept_uploads_staged", _GAUGE, (), "Uploads in the store that were begun and neither committed nor dropped."
)
STAGED_BYTES = Definition("flowcept_uploads_staged_bytes", _GAUGE, (), "Bytes that these have staged.")
UPLOAD_RECEIVED = Definition("flowcept_upload_received_bytes_total", _COUNTER, (), "Payload bytes received.")
UPLOADS_RESUMED = Definition(
    "flowcept_uploads_resumed_total", _COUNTER, (), "Uploads that went on where an earlier stream had ended."
)
UPLOADS_COMMITTED = Definition(
    "flowcept_uploads_committed_total",
    _COUNTER,
    ("content",),
    "Uploads that ended well: `received`, `known` (the store held the bytes already), `repeated` (committed before).",
)
UPLOADS_FAILED = Definition(
    "flowcept_uploads_failed_total", _COUNTER, ("reason",), "Uploads that failed; CANCELLED: the client went away."
)
DOWNLOAD_SENT = Definition("flowcept_download_sent_bytes_total", _COUNTER, (), "Payload bytes sent.")

SUBSCRIPTIONS = Definition("flowcept_subscriptions_active", _GAUGE, (), "Subscriptions in this process.")
EVENTS_SENT = Definition("flowcept_subscription_events_sent_total", _COUNTER, (), "Events sent to subscribers.")
SUBSCRIPTION_LAG = Definition(
    "flowcept_subscription_lag_events", _GAUGE, (), "How far the slowest of them is behind the log's end."
)
CONSUMERS = Definition("flowcept_consumers", _GAUGE, (), "Durable consumers in the store.")
CONSUMER_LAG = Definition(
    "flowcept_consumer_lag_events",
    _GAUGE,
    (),
    "How far the slowest durable consumer, connected or not, is behind; `flowcept-service status` names it.",
)

FOLLOWER_LAG = Definition(
    "flowcept_follower_lag_events", _GAUGE, (), "Events that the second store does not have yet; absent without one."
)
FOLLOWER_SECONDS = Definition(
    "flowcept_follower_lag_seconds",
    _GAUGE,
    (),
    "Since when the second store is not level with the first, or 0.",
)
FOLLOWER_PHASE = Definition(
    "flowcept_follower_phase",
    _GAUGE,
    ("phase",),
    "1 for what the second store does: `connecting`, `copying`, `following`, `failing`, `refused`; else 0.",
)

JANITOR_RUNS = Definition("flowcept_janitor_runs_total", _COUNTER, ("outcome",), "Sweeps: `succeeded` or `failed`.")
JANITOR_REMOVED = Definition(
    "flowcept_janitor_removed_total",
    _COUNTER,
    ("kind",),
    "What expired and was removed: `uploads`, `payloads`, `events`, `requests`.",
)
JANITOR_BYTES = Definition("flowcept_janitor_removed_bytes_total", _COUNTER, (), "Payload bytes that were removed.")
JANITOR_SUCCESS = Definition(
    "flowcept_janitor_last_success_timestamp_seconds", _GAUGE, (), "When a sweep succeeded the last time, in Unix time."
)

READY = Definition("flowcept_ready", _GAUGE, (), "1 while the service is ready, else 0; as the probes say.")
DRAINING = Definition("flowcept_draining", _GAUGE, (), "1 once the service is told to end, else 0.")
BUILD_INFO = Definition(
    "flowcept_build_info", _GAUGE, ("version", "store", "python"), "Always 1; the labels say what is running."
)

CALLS = (STARTED, HANDLED, RECEIVED, SENT, HANDLING, REFUSALS, RESTS)
STORE = (
    STORE_UP,
    STORE_PROBE,
    STORE_USED,
    STORE_FILE,
    STORE_FREE,
    COMMIT_SECONDS,
    COMMIT_OPERATIONS,
    QUEUE,
    WRITER_ALIVE,
)
LOG = (LAST_SEQUENCE, OLDEST_SEQUENCE, LOG_BYTES, APPENDED)
BLOBS = (
    UPLOADS_ACTIVE,
    UPLOADS_STAGED,
    STAGED_BYTES,
    UPLOAD_RECEIVED,
    UPLOADS_RESUMED,
    UPLOADS_COMMITTED,
    UPLOADS_FAILED,
    DOWNLOAD_SENT,
)
SUBSCRIBING = (SUBSCRIPTIONS, EVENTS_SENT, SUBSCRIPTION_LAG, CONSUMERS, CONSUMER_LAG)
COPYING = (FOLLOWER_LAG, FOLLOWER_SECONDS, FOLLOWER_PHASE)
SWEEPING = (JANITOR_RUNS, JANITOR_REMOVED, JANITOR_BYTES, JANITOR_SUCCESS)
SERVICE = (READY, DRAINING, BUILD_INFO)
DEFINITIONS: tuple[Definition, ...] = (*CALLS, *STORE, *LOG, *BLOBS, *SUBSCRIBING, *COPYING, *SWEEPING, *SERVICE)
"""Every metric of the service's own. The metrics of the process (``process_*``, ``python_*``) are the library's."""
