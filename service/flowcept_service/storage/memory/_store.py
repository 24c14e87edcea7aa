"""The store of a service without a database, as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flowcept_service.domain.events import EventEncoder
from flowcept_service.domain.retention import Retention, SweepResult
from flowcept_service.domain.store_state import SLOWEST_CONSUMERS, StoreState, WriterState
from flowcept_service.storage.contract import EventLog, ObjectStore, PayloadStore, RecordStore
from flowcept_service.storage.memory._blobs import NoObjectStore, NoPayloadStore
from flowcept_service.storage.memory._log import MemoryEventLog
from flowcept_service.storage.memory._records import MemoryRecordStore
from flowcept_service.storage.observer import StoreObserver, Unobserved


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """How much is kept."""

    log_bytes: int = 256 << 20
    """Size of the events that are held; the records that they tell of may take as much again."""


class MemoryStorage:
    """Keeps of ``storage.contract.Storage`` what needs no database; the rest is refused, and says what would help.

    Args:
        settings: How much is kept.
        encoder: Makes the bytes of events.
        clock: The time of commits, aware.
        observer: Told of what is appended.
    """

    records: RecordStore
    objects: ObjectStore
    payloads: PayloadStore
    events: EventLog

    def __init__(
        self,
        settings: MemorySettings,
        encoder: EventEncoder,
        clock: Callable[[], datetime],
        observer: StoreObserver | None = None,
    ) -> None:
        self.events = self._log = MemoryEventLog(encoder, settings.log_bytes, observer or Unobserved())
        self.records = MemoryRecordStore(self._log, clock)
        self.objects = NoObjectStore()
        self.payloads = NoPayloadStore()

    def sweep(self, retention: Retention, now: datetime) -> SweepResult:
        """See ``Storage.sweep``."""
        before = now - timedelta(seconds=retention.events_seconds)
        return SweepResult(events=self._log.trim(before, retention.events_bytes))

    def state(self) -> StoreState:
        """See ``Storage.state``."""
        count, slowest = self._log.slowest_consumers(SLOWEST_CONSUMERS)
        return StoreState(self._log.bounds(), consumers=count, slowest_consumers=slowest)

    def writers(self) -> Sequence[WriterState]:
        """See ``Storage.writers``. Callers append by themselves."""
        return ()

    def close(self) -> None:
        """See ``Storage.close``. Calling it again does nothing."""
        self._log.close()
