"""Settings that bound work and sizes."""

from __future__ import annotations

from dataclasses import dataclass

from flowcept.config_values import count, size
from flowcept_service.config.declaring import setting


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """Bounds on work at the same time, and on sizes."""

    max_uploads: int = setting(64, count(1), env="MAX_UPLOADS")
    """Most uploads at the same time; a further one is answered with RESOURCE_EXHAUSTED (TOO_MANY_UPLOADS)."""

    max_downloads: int = setting(128, count(1), env="MAX_DOWNLOADS")
    """Most downloads and queries at the same time; further ones wait for their turn."""

    max_subscriptions: int = setting(512, count(1), env="MAX_SUBSCRIPTIONS")
    """Most subscriptions at the same time; a further one is answered with RESOURCE_EXHAUSTED."""

    max_calls: int = setting(32, count(1), env="MAX_CALLS")
    """Most other calls at the same time; further ones wait for their turn."""

    in_object_bytes: int = setting(8 << 20, size(0, 15 << 20), env="IN_OBJECT_BYTES")
    """Largest payload that is kept inside its object's document (``save_data_in_collection=True``), in bytes."""
