"""Settings of how long things are kept."""

from __future__ import annotations

from dataclasses import dataclass

from flowcept.config_values import seconds, size
from flowcept_service.config.declaring import setting


@dataclass(frozen=True, slots=True)
class RetentionOptions:
    """How long things are kept, and how often what has expired is removed."""

    staged_seconds: float = setting(86400.0, seconds(1.0), env="KEEP_STAGED_SECONDS")
    """Staged bytes of an upload that was not committed, after the last of them arrived."""

    requests_seconds: float = setting(172800.0, seconds(1.0), env="KEEP_REQUESTS_SECONDS")
    """Results of committed uploads and changes, so that repeating them is harmless."""

    events_seconds: float = setting(604800.0, seconds(1.0), env="KEEP_EVENTS_SECONDS")
    """Events of the log, with the message ids that make repeated messages harmless."""

    events_bytes: int = setting(8 << 30, size(1 << 20), env="KEEP_EVENTS_BYTES")
    """Size of the event log; the oldest events go first."""

    unreferenced_seconds: float = setting(3600.0, seconds(1.0), env="KEEP_UNREFERENCED_SECONDS")
    """Payload bytes that never became part of a version."""

    sweep_seconds: float = setting(60.0, seconds(0.05), env="SWEEP_SECONDS")
    """Time between two sweeps."""
