"""What a store says of itself: for probes, metrics and the status page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from flowcept_service.domain.events import LogBounds

SLOWEST_CONSUMERS: Final = 20
"""How many durable consumers a state names, of any number."""


class ConsumerPosition(NamedTuple):
    """How far a durable consumer has come."""

    consumer: str
    sequence: int


@dataclass(frozen=True, slots=True)
class DatabaseSize:
    """One database of a store."""

    name: str
    """Chosen by the store: ``records`` and ``payloads``, or ``mongodb``."""
    used_bytes: int
    """What it takes, without what it keeps for reuse."""
    file_bytes: int
    """What it takes on the disk; also the room that it has made for more."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """A store at one moment."""

    log: LogBounds
    databases: tuple[DatabaseSize, ...] = ()
    free_disk_bytes: int | None = None
    """What may still be written to the disk; None where there is none, or nobody knows."""
    staged_uploads: int = 0
    """Uploads that were begun and neither committed nor dropped."""
    staged_bytes: int = 0
    consumers: int = 0
    """Durable consumers."""
    slowest_consumers: tuple[ConsumerPosition, ...] = ()
    """Those of them that are the furthest behind, the furthest first; ``SLOWEST_CONSUMERS`` at most."""


@dataclass(frozen=True, slots=True)
class WriterState:
    """A thread that commits what all callers wait for."""

    name: str
    """Chosen by the store."""
    waiting: int
    """Operations that wait for the next commit."""
    alive: bool
    """Whether the thread runs. Callers of one that does not wait for ever: only a restart helps."""
