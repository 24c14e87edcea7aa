"""What a copy has done so far, for those who watch it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock

from flowcept_service.domain.records import Collection
from flowcept_service.replication.state import ReplicaState, Stage


@dataclass(frozen=True, slots=True)
class DamagedPayload:
    """A version whose bytes could not be copied, because the source does not have them as it should."""

    object_id: str
    version: int
    problem: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What was done since the start of this process."""

    stage: Stage | None = None
    """None: the replica follows."""
    collection: Collection | None = None
    position: int = 0
    """Last sequence of the replica."""
    rows: Mapping[Collection, int] = field(default_factory=dict)
    """Documents looked at, by collection, while copying."""
    changed_rows: int = 0
    """Documents written or removed."""
    skipped_rows: int = 0
    """Documents of other writers without a usable identifier, which were left out."""
    payloads: int = 0
    payload_bytes: int = 0
    events: int = 0
    damaged: tuple[DamagedPayload, ...] = ()


class Meter:
    """Counts. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._progress = Progress()

    def read(self) -> Progress:
        """What was counted so far."""
        return self._progress

    def reached(self, state: ReplicaState) -> None:
        """The replica is in this state now."""
        copying = state.copying
        with self._lock:
            self._progress = replace(
                self._progress,
                position=state.position,
                stage=None if copying is None else copying.stage,
                collection=None if copying is None else copying.collection,
            )

    def saw(self, collection: Collection, rows: int, skipped: int) -> None:
        """Documents of the source were looked at."""
        with self._lock:
            seen = {**self._progress.rows, collection: self._progress.rows.get(collection, 0) + rows}
            self._progress = replace(self._progress, rows=seen, skipped_rows=self._progress.skipped_rows + skipped)

    def applied(self, *, rows: int = 0, events: int = 0) -> None:
        """Documents and events were written."""
        with self._lock:
            now = self._progress
            self._progress = replace(now, changed_rows=now.changed_rows + rows, events=now.events + events)

    def copied(self, size: int) -> None:
        """Bytes of a payload were written."""
        with self._lock:
            self._progress = replace(self._progress, payload_bytes=self._progress.payload_bytes + size)

    def completed_payload(self) -> None:
        """A payload is complete."""
        with self._lock:
            self._progress = replace(self._progress, payloads=self._progress.payloads + 1)

    def found_damaged(self, damaged: DamagedPayload) -> None:
        """A payload cannot be copied."""
        with self._lock:
            self._progress = replace(self._progress, damaged=(*self._progress.damaged, damaged))
