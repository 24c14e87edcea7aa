"""What the document inserter can be told to do, and what it is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from flowcept_service.domain.records import Collection

Defaults = Mapping[Collection, Mapping[str, str]]
"""Values for fields that a record lacks, by collection."""


@dataclass(frozen=True, slots=True)
class TagThresholds:
    """From where on a task is tagged as critical. A tag is given when its value is beyond; None never gives it."""

    high_cpu: float | None = 80.0
    """Change of the CPU's utilisation from start to end, up or down, in percentage points."""
    high_mem: float | None = 1e9
    """Growth of the memory in use from start to end, in bytes."""
    high_disk: float | None = 1e8
    """Bytes read and written together from start to end."""
    long_duration: float | None = 0.8
    """Seconds from start to end."""
    low_output: float | None = 0.1
    """Tagged when an output is below it. Outputs that are missing or no numbers are not judged."""
    high_output: float | None = 0.9
    """Tagged when an output is above it."""
    outputs: tuple[str, ...] = ("result",)
    """The keys of ``generated`` that ``low_output`` and ``high_output`` look at."""


@dataclass(frozen=True, slots=True)
class InserterSettings:
    """What the document inserter does besides merging."""

    summarize_telemetry: bool = True
    """Derive ``telemetry_summary`` for tasks that have telemetry of both their start and their end."""
    tag_critical_tasks: bool = True
    """Derive tags from the telemetry summary; needs ``summarize_telemetry``."""
    thresholds: TagThresholds = TagThresholds()
    """From where on a task is critical."""
    remove_empty_fields: bool = False
    """Drop None, empty strings, empty lists and empty mappings from messages, at every depth of their mappings."""
    defaults: Defaults = field(default_factory=dict)
    """Enrichment: fills fields that a record lacks; whatever a client says goes before it. Empty: nothing is filled.

    Host, user and git facts are the client's to say; see ``host_defaults`` for a service on the host of its clients.
    """


@dataclass(frozen=True, slots=True)
class PrepareContext:
    """What ``prepare`` needs of the outside world."""

    clock: Callable[[], datetime]
    """The time now, with a time zone."""
    new_id: Callable[[], str]
    """A new unique identifier, for records that come without one."""

    def at_once(self) -> Self:
        """The same context at one moment, this one, cut to the milliseconds that records keep.

        For the messages of a batch: they arrived together, and to ask for the time costs as much as to check a field.
        """
        now = self.clock()
        now -= timedelta(microseconds=now.microsecond % 1000)
        return replace(self, clock=lambda: now)
