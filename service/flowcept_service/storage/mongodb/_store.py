"""The MongoDB store as a whole: opened, swept and closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta

from bson import ObjectId

from flowcept_service.domain.events import EventEncoder
from flowcept_service.domain.retention import Retention, SweepResult
from flowcept_service.domain.store_state import StoreState, WriterState
from flowcept_service.storage.contract import EventLog, ObjectStore, PayloadStore, RecordStore
from flowcept_service.storage.mongodb._commit.horizon import Horizon
from flowcept_service.storage.mongodb._commit.presence import Presence
from flowcept_service.storage.mongodb._commit.watcher import Watcher
from flowcept_service.storage.mongodb._commit.writer import CommitWriter
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.settings import MongodbSettings
from flowcept_service.storage.mongodb._events import MongodbEventLog
from flowcept_service.storage.mongodb._objects import MongodbObjectStore
from flowcept_service.storage.mongodb._payloads.readers import ReaderReports
from flowcept_service.storage.mongodb._payloads.role import MongodbPayloadStore
from flowcept_service.storage.mongodb._records import MongodbRecordStore
from flowcept_service.storage.mongodb._replica import MongodbReplica
from flowcept_service.storage.mongodb._state import read_state
from flowcept_service.storage.mongodb._sweep import Sweeper
from flowcept_service.storage.observer import StoreObserver, Unobserved
from flowcept_service.storage.pins import Pins
from flowcept_service.storage.replica import Replica


class MongodbStorage:
    """Keeps ``storage.replica.ReplicableStorage`` in a MongoDB replica set, which any number of processes may share.

    Args:
        settings: Where, and how.
        encoder: Makes the bytes of events.
        clock: The time of commits, aware. Replicas need clocks that agree within seconds.
        new_id: Makes the names of payloads.
        observer: Told of what is committed.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE.
        UnavailableError: STORAGE_UNAVAILABLE.
    """

    records: RecordStore
    objects: ObjectStore
    payloads: PayloadStore
    events: EventLog
    replica: Replica

    def __init__(
        self,
        settings: MongodbSettings,
        encoder: EventEncoder,
        clock: Callable[[], datetime],
        new_id: Callable[[], ObjectId] = ObjectId,
        observer: StoreObserver | None = None,
    ) -> None:
        with ExitStack() as opened:
            self.database = Database(settings)
            opened.callback(self.database.close)
            horizon = Horizon()
            opened.callback(horizon.close)
            pins = Pins()
            self.readers = ReaderReports(self.database, pins, clock, settings.reader_report_seconds)
            opened.callback(self.readers.close)
            presence = Presence(self.database)
            opened.callback(presence.close)
            writer = CommitWriter(
                self.database,
                settings,
                encoder,
                clock,
                horizon=horizon,
                presence=presence,
                observer=observer or Unobserved(),
            )
            opened.callback(writer.close)
            payloads = MongodbPayloadStore(self.database, writer, pins, new_id, settings.payload_writers)
            opened.callback(payloads.chunks.close)
            opened.callback(Watcher(self.database, horizon).close)

            self.records = MongodbRecordStore(self.database, writer)
            self.objects = MongodbObjectStore(self.database, writer, payloads, new_id)
            self.payloads = payloads
            self.events = MongodbEventLog(self.database, horizon)
            self.replica = MongodbReplica(
                self.database,
                settings,
                encoder=encoder,
                clock=clock,
                presence=presence,
                horizon=horizon,
                events=self.events,
            )
            self._sweeper = Sweeper(
                self.database,
                writer,
                payloads,
                pins=pins,
                readers=self.readers,
                grace=timedelta(seconds=settings.reader_grace_seconds),
            )
            self._writer = writer
            self._opened = opened.pop_all()

    def sweep(self, retention: Retention, now: datetime) -> SweepResult:
        """See ``Storage.sweep``."""
        return self._sweeper.sweep(retention, now)

    def state(self) -> StoreState:
        """See ``Storage.state``."""
        return read_state(self.database)

    def writers(self) -> Sequence[WriterState]:
        """See ``Storage.writers``."""
        return [self._writer.queue.state()]

    def close(self) -> None:
        """See ``Storage.close``. Calling it again does nothing."""
        self._opened.close()
