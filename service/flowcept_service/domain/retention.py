"""How long things are kept, and what a sweep removed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept."""

    staged_seconds: float = 24 * 3600.0
    """Staged bytes of an upload, after the last of them arrived."""
    requests_seconds: float = 48 * 3600.0
    """Results of committed uploads and changes, for repeats."""
    events_seconds: float = 7 * 24 * 3600.0
    """Events, with the ``message_id`` of their messages."""
    events_bytes: int = 8 << 30
    """Size of the event log; the oldest events go first."""
    unreferenced_seconds: float = 3600.0
    """Bytes that were written and never became part of a version."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep removed."""

    uploads: int = 0
    payloads: int = 0
    payload_bytes: int = 0
    events: int = 0
    requests: int = 0
