"""The one thread of a process that commits: what waits is merged in memory, then written in one transaction.

Every transaction that changes records, versions or the log first takes the log's counter. It is the lock between the
replicas: who has it sees everything that was committed, and nobody else commits until the transaction ends. So commit
order is sequence order, and no two writers merge into the same state of a record. To hold it briefly, a group is first
worked out from what is committed; if the counter shows that nobody has committed meanwhile, that was right, and only
the writing is left. Otherwise the group is worked out again, within the transaction.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from flowcept.errors import PreconditionError, Reason
from flowcept_service.domain.events import EventEncoder
from flowcept_service.storage.grouping import GroupLimits, GroupQueue, Waiting
from flowcept_service.storage.mongodb._commit.flush import flush
from flowcept_service.storage.mongodb._commit.horizon import Horizon
from flowcept_service.storage.mongodb._commit.log import blocks_of, counter_update
from flowcept_service.storage.mongodb._commit.presence import Presence
from flowcept_service.storage.mongodb._commit.unit import Position, Table, Unit
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.errors import is_passing, is_transient, is_uncertain
from flowcept_service.storage.mongodb._connection.schema import LOG, LOG_ID
from flowcept_service.storage.mongodb._connection.settings import MongodbSettings
from flowcept_service.storage.observer import StoreObserver

_SNAPSHOT: Final = ReadConcern("snapshot")
_SHORTEST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05
_LOOK_AROUND_SECONDS: Final = 3.0
"""After so long without the counter, its holder may have died. More than a beat of ``Presence``."""


class Operation(Protocol):
    """Something to commit. It may be applied more than once, to another unit each time."""

    def wants(self) -> Sequence[tuple[Table, Sequence[Any]]]:
        """The documents that it will read, so that they are read together with those of others."""
        ...

    def apply(self, unit: Unit) -> Any:
        """Change the unit; the result for the caller. What it raises is the caller's alone, and undoes its changes."""
        ...


Settled = list[tuple[Waiting[Operation], Any, Exception | None]]


class CommitWriter:
    """Commits the operations of all threads of this process.

    Args:
        database: Where to.
        settings: How operations are collected, and how long a transaction is repeated.
        encoder: Makes the bytes of events.
        clock: The time of a commit.
        horizon: How far the log is known to go; told of each commit of this process.
        presence: The session to commit in.
        observer: Told of what was committed.
    """

    def __init__(
        self,
        database: Database,
        settings: MongodbSettings,
        encoder: EventEncoder,
        clock: Callable[[], datetime],
        *,
        horizon: Horizon,
        presence: Presence,
        observer: StoreObserver,
    ) -> None:
        self._database = database
        self._retry_seconds = settings.retry_seconds
        self._write_concern = WriteConcern("majority", wtimeout=int(settings.write_seconds * 1000))
        self._encoder = encoder
        self._clock = clock
        self._horizon = horizon
        self._presence = presence
        self._observer = observer
        self.queue: GroupQueue[Operation] = GroupQueue(
            self._settle,
            GroupLimits(settings.flush_interval, settings.flush_size, settings.commit_bytes),
            database.errors.closed,
            "mongodb",
            observer.settled,
        )

    def submit(self, operation: Operation, *, changes: int = 1, size: int = 0) -> Any:
        """Apply an operation and wait until it is durable; what it returned. See ``GroupQueue.submit``.

        Raises:
            UnavailableError: STORAGE_UNAVAILABLE.
            ResourceExhaustedError: STORAGE_FULL.
        """
        return self.queue.submit(operation, changes=changes, size=size)

    def close(self) -> None:
        """Finish what waits, then stop. Calling it again does nothing."""
        self.queue.close()

    def _settle(self, group: list[Waiting[Operation]]) -> None:
        try:
            settled = self._commit(group)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to a caller and must not end the thread
            if len(group) == 1 or (isinstance(error, PyMongoError) and is_passing(error)):
                # One by one, each caller would wait as long as all of them have waited together.
                failure = self._translated(error)
                for waiting in group:
                    waiting.promise.set_exception(failure)
                return
            for waiting in group:
                self._settle([waiting])
            return
        for waiting, value, refusal in settled:
            if refusal is None:
                waiting.promise.set_result(value)
            else:
                waiting.promise.set_exception(refusal)

    def _commit(self, group: list[Waiting[Operation]]) -> Settled:
        """Commit a group, repeated while it fails for a passing reason."""
        deadline = time.monotonic() + self._retry_seconds
        look_around = time.monotonic() + _LOOK_AROUND_SECONDS
        pause = _SHORTEST_PAUSE
        while True:
            try:
                return self._attempt(group, deadline)
            except PyMongoError as error:
                if not is_transient(error) or time.monotonic() > deadline:
                    raise
            if time.monotonic() > look_around:
                self._presence.end_dead_sessions()
                look_around = time.monotonic() + _LOOK_AROUND_SECONDS
            # Another replica holds the counter, for milliseconds; or the primary is being elected.
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the replicas, keeps no secret
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _attempt(self, group: list[Waiting[Operation]], deadline: float) -> Settled:
        now = self._clock()
        unit = Unit(self._database, self._encoder, self._horizon.position, now, None)
        settled = self._apply(group, unit)
        if not unit.changed:
            return settled
        session = self._presence.session()
        session.start_transaction(_SNAPSHOT, self._write_concern)
        try:
            position = self._lock(session)
            if position != unit.base:
                unit = Unit(self._database, self._encoder, position, now, session)
                settled = self._apply(group, unit)
            if unit.changed:
                self._write(unit, session)
        except BaseException:
            _abort(session)
            raise
        if unit.changed:
            _finish(session, deadline)
        else:
            _abort(session)
        if unit.changed:
            self._horizon.reach(unit.position)
            for kind, count in unit.kinds.items():
                self._observer.appended(kind, count)
        return settled

    def _apply(self, group: list[Waiting[Operation]], unit: Unit) -> Settled:
        wanted: dict[Table, list[Any]] = {}
        for waiting in group:
            for table, keys in waiting.operation.wants():
                wanted.setdefault(table, []).extend(keys)
        for table, keys in wanted.items():
            unit.load(table, keys)
        settled: Settled = []
        for waiting in group:
            try:
                value = waiting.operation.apply(unit)
            except PyMongoError:
                raise  # the transaction cannot go on
            except Exception as error:  # noqa: BLE001 - the caller's, who gets it
                unit.forget()
                settled.append((waiting, None, error))
            else:
                unit.keep()
                settled.append((waiting, value, None))
        return settled

    def _lock(self, session: ClientSession) -> Position:
        """Take the counter; where it stood."""
        log = self._database.collection(LOG)
        counter = log.find_one_and_update({"_id": LOG_ID}, {"$inc": {"commits": 1}}, session=session)
        if counter is None:
            raise PreconditionError(
                "the database was dropped under the running service; restart it", reason=Reason.STORAGE_INCOMPATIBLE
            )
        return Position(counter["commits"], counter["last"])

    def _write(self, unit: Unit, session: ClientSession) -> None:
        blocks = list(blocks_of(self._encoder, unit.base.last, unit.bodies))
        flush(self._database, unit, blocks, session)
        added = sum(len(block.frames) for block in blocks)
        self._database.collection(LOG).update_one({"_id": LOG_ID}, counter_update(unit, added), session=session)

    def _translated(self, error: Exception) -> Exception:
        return self._database.errors.translate(error) if isinstance(error, PyMongoError) else error


def _finish(session: ClientSession, deadline: float) -> None:
    """Commit; when it is not known whether that happened, ask again: the server remembers."""
    while True:
        try:
            session.commit_transaction()
        except PyMongoError as error:
            if not is_uncertain(error) or time.monotonic() > deadline:
                raise
            time.sleep(_LONGEST_PAUSE)
        else:
            return


def _abort(session: ClientSession) -> None:
    if session.in_transaction:
        session.abort_transaction()
