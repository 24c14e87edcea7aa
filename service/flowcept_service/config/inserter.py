"""Settings of the document inserter."""

from __future__ import annotations

from dataclasses import dataclass

from flowcept.config_values import boolean, count, seconds
from flowcept_service.config.declaring import setting, threshold_setting


@dataclass(frozen=True, slots=True)
class InserterOptions:
    """What the document inserter does besides merging messages into records."""

    flush_interval: float = setting(0.0, seconds(0.0), env="FLUSH_INTERVAL")
    """Seconds that a change waits for others to share its commit. 0: what waits while a commit runs forms the next."""

    flush_size: int = setting(1000, count(1), env="FLUSH_SIZE")
    """Number of changes that ends such a wait early."""

    enrich_messages: bool = setting(False, boolean, env="ENRICH_MESSAGES")
    """Fill in host and user of the service where a record has none; for a service on the host of its clients."""

    remove_empty_fields: bool = setting(False, boolean, env="REMOVE_EMPTY_FIELDS")
    """Drop None, empty strings, lists and mappings from messages."""

    summarize_telemetry: bool = setting(True, boolean, env="SUMMARIZE_TELEMETRY")
    """Derive ``telemetry_summary`` for tasks with telemetry of their start and end."""

    tag_critical_tasks: bool = setting(True, boolean, env="TAG_CRITICAL_TASKS")
    """Tag critical tasks, by the thresholds below."""

    high_cpu: float | None = threshold_setting(80.0, env="TAG_HIGH_CPU")
    """Change of the CPU's utilisation for the tag ``high_cpu``, in percentage points; ``none``: never."""

    high_mem: float | None = threshold_setting(1e9, env="TAG_HIGH_MEM")
    """Growth of memory for the tag ``high_mem``, in bytes; ``none``: never."""

    high_disk: float | None = threshold_setting(1e8, env="TAG_HIGH_DISK")
    """Bytes read and written for the tag ``high_disk``; ``none``: never."""

    long_duration: float | None = threshold_setting(0.8, env="TAG_LONG_DURATION")
    """Seconds for the tag ``long_duration``; ``none``: never."""

    low_output: float | None = threshold_setting(0.1, env="TAG_LOW_OUTPUT")
    """Output below which a task is tagged ``low_output``; ``none``: never."""

    high_output: float | None = threshold_setting(0.9, env="TAG_HIGH_OUTPUT")
    """Output above which a task is tagged ``high_output``; ``none``: never."""
