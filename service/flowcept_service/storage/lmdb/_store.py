"""The embedded store as a whole: opened, swept and closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime

from bson import ObjectId

from flowcept_service.affinity import roam
from flowcept_service.domain.events import EventEncoder
from flowcept_service.domain.records import Collection
from flowcept_service.domain.retention import Retention, SweepResult
from flowcept_service.domain.store_state import SLOWEST_CONSUMERS, StoreState, WriterState
from flowcept_service.storage.contract import EventLog, ObjectStore, PayloadStore, RecordStore
from flowcept_service.storage.lmdb._collection import IndexedCollection
from flowcept_service.storage.lmdb._environment.directory import DirectoryLock, check_restored
from flowcept_service.storage.lmdb._environment.environment import Environment
from flowcept_service.storage.lmdb._environment.errors import free_bytes
from flowcept_service.storage.lmdb._environment.settings import LmdbSettings
from flowcept_service.storage.lmdb._environment.writer import GroupWriter
from flowcept_service.storage.lmdb._events import LmdbEventLog
from flowcept_service.storage.lmdb._log.writer import EventLogWriter
from flowcept_service.storage.lmdb._objects import LmdbObjectStore
from flowcept_service.storage.lmdb._payloads.references import PayloadReferences
from flowcept_service.storage.lmdb._payloads.role import LmdbPayloadStore
from flowcept_service.storage.lmdb._records import LmdbRecordStore
from flowcept_service.storage.lmdb._replica import LmdbReplica
from flowcept_service.storage.lmdb._requests import Requests
from flowcept_service.storage.lmdb._sweep import Sweeper
from flowcept_service.storage.lmdb._tables import PAYLOADS, RECORDS, TABLES
from flowcept_service.storage.observer import StoreObserver
from flowcept_service.storage.pins import Pins
from flowcept_service.storage.replica import Replica


class LmdbStorage:
    """Keeps ``storage.replica.ReplicableStorage`` in a directory of this machine.

    Args:
        settings: Where, and how.
        encoder: Makes the bytes of events.
        clock: The time of commits, aware.
        new_id: Makes the names of payloads.
        observer: Told of what is committed.

    Raises:
        PreconditionError: STORAGE_IN_USE, STORAGE_INCOMPATIBLE.
        UnavailableError: STORAGE_UNAVAILABLE, when the directory cannot be used.
    """

    records: RecordStore
    objects: ObjectStore
    payloads: PayloadStore
    events: EventLog
    replica: Replica

    def __init__(
        self,
        settings: LmdbSettings,
        encoder: EventEncoder,
        clock: Callable[[], datetime],
        new_id: Callable[[], ObjectId] = ObjectId,
        observer: StoreObserver | None = None,
    ) -> None:
        with ExitStack() as opened:
            lock = DirectoryLock(settings.directory)
            opened.callback(lock.release)
            check_restored(settings.directory)
            records = Environment(settings.directory / RECORDS, RECORDS, TABLES[RECORDS], settings)
            opened.callback(records.close)
            payloads = Environment(settings.directory / PAYLOADS, PAYLOADS, TABLES[PAYLOADS], settings)
            opened.callback(payloads.close)
            log = EventLogWriter(records, encoder, clock, observer)
            opened.callback(log.close)
            writer = GroupWriter(records, settings, log, observer)
            opened.callback(writer.close)
            payload_writer = GroupWriter(payloads, settings, observer=observer, begin=roam)
            opened.callback(payload_writer.close)

            collections = {collection: IndexedCollection(records, collection) for collection in Collection}
            references = PayloadReferences(records)
            requests = Requests(records)
            held = LmdbPayloadStore(
                environment=payloads,
                writer=payload_writer,
                references=references,
                pins=Pins(),
                new_id=new_id,
                reserve_bytes=settings.reserve_bytes,
            )
            self.payloads = held
            self.records = LmdbRecordStore(records, writer, log, collections)
            self.objects = LmdbObjectStore(
                environment=records,
                writer=writer,
                log=log,
                payloads=held,
                references=references,
                requests=requests,
                latest=collections[Collection.OBJECTS],
                history=collections[Collection.OBJECT_HISTORY],
            )
            self.events = event_log = LmdbEventLog(records, writer, log)
            self.replica = LmdbReplica(
                environment=records,
                writer=writer,
                log=log,
                collections=collections,
                references=references,
                requests=requests,
            )
            self._sweeper = Sweeper(writer, log, held, references, requests)
            self._environments = (records, payloads)
            self._writers = (writer, payload_writer)
            self._event_log = event_log
            self._held = held
            self._opened = opened.pop_all()

    def sweep(self, retention: Retention, now: datetime) -> SweepResult:
        """See ``Storage.sweep``."""
        for environment in self._environments:
            environment.forget_dead_readers()
        return self._sweeper.sweep(retention, now)

    def state(self) -> StoreState:
        """See ``Storage.state``."""
        staged = [staging.size for staging in self._held.stagings.all()]
        count, slowest = self._event_log.slowest_consumers(SLOWEST_CONSUMERS)
        return StoreState(
            log=self._event_log.bounds(),
            databases=tuple(environment.size() for environment in self._environments),
            free_disk_bytes=free_bytes(self._environments[0].directory),
            staged_uploads=len(staged),
            staged_bytes=sum(staged),
            consumers=count,
            slowest_consumers=slowest,
        )

    def writers(self) -> Sequence[WriterState]:
        """See ``Storage.writers``."""
        return [writer.queue.state() for writer in self._writers]

    def close(self) -> None:
        """See ``Storage.close``. Calling it again does nothing."""
        self._opened.close()
