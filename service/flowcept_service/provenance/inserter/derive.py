"""What a task's record says about itself: the summary of its telemetry, and the tags of critical tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowcept_service.domain.records import Document
from flowcept_service.provenance.inserter.settings import TagThresholds
from flowcept_service.provenance.inserter.times import to_milliseconds

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

_PARTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cpu": {
        "percent_all_diff": ("percent_all",),
        "user_time_diff": ("times_avg", "user"),
        "system_time_diff": ("times_avg", "system"),
        "idle_time_diff": ("times_avg", "idle"),
    },
    "memory": {
        "used_mem_diff": ("virtual", "used"),
        "percent_diff": ("virtual", "percent"),
        "swap_used_diff": ("swap", "used"),
    },
    "disk": {
        "read_bytes_diff": ("io_sum", "read_bytes"),
        "write_bytes_diff": ("io_sum", "write_bytes"),
        "read_count_diff": ("io_sum", "read_count"),
        "write_count_diff": ("io_sum", "write_count"),
    },
    "network": {
        "bytes_sent_diff": ("netio_sum", "bytes_sent"),
        "bytes_recv_diff": ("netio_sum", "bytes_recv"),
        "packets_sent_diff": ("netio_sum", "packets_sent"),
        "packets_recv_diff": ("netio_sum", "packets_recv"),
    },
}
"""The parts of the summary, with the path in the snapshots from which each figure is taken: its end minus its start."""


def has_telemetry(record: Document) -> bool:
    """Whether a task has telemetry of both its start and its end."""
    start, end = record.get("telemetry_at_start"), record.get("telemetry_at_end")
    # Most tasks have none, and to ask for the abstract class is slow.
    return start is not None and end is not None and isinstance(start, Mapping) and isinstance(end, Mapping)


def summarize_telemetry(record: Document) -> Document:
    """The summary of a task that ``has_telemetry``; a figure is in it only if both snapshots have it."""
    summary: Document = {}
    duration = _duration(record)
    if duration is not None:
        summary["duration_sec"] = duration
    start, end = record["telemetry_at_start"], record["telemetry_at_end"]
    for part, figures in _PARTS.items():
        differences = {name: _difference(start.get(part), end.get(part), path) for name, path in figures.items()}
        known = {name: value for name, value in differences.items() if value is not None}
        if known:
            summary[part] = known
    return summary


def critical_tags(record: Document, summary: Document, thresholds: TagThresholds) -> list[str]:
    """The tags of a critical task, each once."""
    cpu, memory, disk = (summary.get(part, {}) for part in ("cpu", "memory", "disk"))
    percent = cpu.get("percent_all_diff")
    transferred = [disk[name] for name in ("read_bytes_diff", "write_bytes_diff") if name in disk]
    generated = record.get("generated")
    values = [generated.get(name) for name in thresholds.outputs] if isinstance(generated, Mapping) else []
    outputs = [value for value in values if value is not None and _is_number(value)]
    judged = {
        "high_cpu": _is_over(abs(percent) if percent is not None else None, thresholds.high_cpu),
        "high_mem": _is_over(memory.get("used_mem_diff"), thresholds.high_mem),
        "high_disk": _is_over(sum(transferred) if transferred else None, thresholds.high_disk),
        "long_duration": _is_over(summary.get("duration_sec"), thresholds.long_duration),
        "low_output": any(_is_under(value, thresholds.low_output) for value in outputs),
        "high_output": any(_is_over(value, thresholds.high_output) for value in outputs),
    }
    return [tag for tag, given in judged.items() if given]


def _duration(record: Document) -> float | None:
    started, ended = to_milliseconds(record.get("started_at")), to_milliseconds(record.get("ended_at"))
    return None if started is None or ended is None else (ended - started) / 1000


def _difference(start: object, end: object, path: tuple[str, ...]) -> float | None:
    before, after = _figure(start, path), _figure(end, path)
    if before is None or after is None:
        return None
    difference = after - before
    # Two integers of 64 bits may differ by more than one of 64 bits can say.
    return difference if _INT64_MIN <= difference <= _INT64_MAX else float(difference)


def _figure(snapshot: Any, path: tuple[str, ...]) -> float | None:
    for name in path:
        snapshot = snapshot.get(name) if isinstance(snapshot, Mapping) else None
    return snapshot if _is_number(snapshot) else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_over(value: float | None, threshold: float | None) -> bool:
    return value is not None and threshold is not None and value > threshold


def _is_under(value: float, threshold: float | None) -> bool:
    return threshold is not None and value < threshold
