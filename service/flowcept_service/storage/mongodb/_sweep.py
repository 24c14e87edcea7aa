"""Removes what has expired, in short transactions, so that no caller waits long. Any replica may, several at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from bson import ObjectId

from flowcept_service.domain.retention import Retention, SweepResult
from flowcept_service.query import decode
from flowcept_service.storage.mongodb._commit.unit import FILE_TABLE, GARBAGE_TABLE, UPLOAD_TABLE, Table, Unit
from flowcept_service.storage.mongodb._commit.writer import CommitWriter
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import EVENTS, GARBAGE, LOG, LOG_ID, REQUESTS
from flowcept_service.storage.mongodb._payloads.readers import ReaderReports
from flowcept_service.storage.mongodb._payloads.references import is_referenced, put_garbage
from flowcept_service.storage.mongodb._payloads.role import MongodbPayloadStore
from flowcept_service.storage.mongodb._payloads.staging import StagingRows
from flowcept_service.storage.pins import Pins

PAYLOADS_AT_ONCE: Final = 100
BLOCKS_AT_ONCE: Final = 64
_TOMBSTONE_SECONDS: Final = 3600.0
"""How long it is remembered that a payload was removed: longer than any commit may be under way."""


class Sweeper:
    """Sweeps a store.

    Args:
        database: What is swept.
        writer: Commits what must not race with a version.
        payloads: The bytes.
        pins: Which of them are in use in this process.
        readers: Which of them are in use elsewhere.
        grace: How long bytes stay after the last version let go of them.
    """

    def __init__(
        self,
        database: Database,
        writer: CommitWriter,
        payloads: MongodbPayloadStore,
        *,
        pins: Pins,
        readers: ReaderReports,
        grace: timedelta,
    ) -> None:
        self._database = database
        self._writer = writer
        self._payloads = payloads
        self._pins = pins
        self._readers = readers
        self._grace = grace
        self._staging = StagingRows(database)

    def sweep(self, retention: Retention, now: datetime) -> SweepResult:
        """See ``Storage.sweep``."""
        with self._database.errors():
            uploads = self._sweep_uploads(now - timedelta(seconds=retention.staged_seconds))
            count, size = self._sweep_garbage(now)
            orphans, orphan_size = self._sweep_orphans(now - timedelta(seconds=retention.unreferenced_seconds))
            self._finish_removals(now)
            return SweepResult(
                uploads=uploads,
                payloads=count + orphans,
                payload_bytes=size + orphan_size,
                events=self._sweep_events(now - timedelta(seconds=retention.events_seconds), retention.events_bytes),
                requests=self._sweep_requests(now - timedelta(seconds=retention.requests_seconds)),
            )

    def _sweep_uploads(self, before: datetime) -> int:
        return sum(self._payloads.drop(row, before) for row in self._staging.older_than(before))

    def _sweep_garbage(self, now: datetime) -> tuple[int, int]:
        """Payloads that a version let go of, unless another one has them or somebody reads them."""
        held = self._readers.held_anywhere(now)
        rows = self._database.collection(GARBAGE).find({"removing": False, "since": {"$lte": now - self._grace}})
        return self._remove(row["_id"] for row in rows if row["_id"] not in held)

    def _sweep_orphans(self, before: datetime) -> tuple[int, int]:
        """Bytes that were written and never committed."""
        oldest = ObjectId(int(before.timestamp()).to_bytes(4, "big") + bytes(8))
        return self._remove(self._payloads.chunks.unfiled(oldest))

    def _remove(self, payload_ids: Iterator[ObjectId]) -> tuple[int, int]:
        count = size = 0
        while some := list(islice(payload_ids, PAYLOADS_AT_ONCE)):
            with self._pins.claim(some) as claimed:
                if not claimed:
                    continue
                removed: list[tuple[ObjectId, int | None]] = self._writer.submit(_Condemn(claimed))
                for payload_id, length in removed:
                    count += 1
                    size += self._payloads.chunks.size(payload_id) if length is None else length
                    self._payloads.purge(payload_id)
        return count, size

    def _finish_removals(self, now: datetime) -> None:
        """What a process that was killed has begun; and what nobody needs to remember any longer."""
        rows = self._database.collection(GARBAGE)
        for row in list(rows.find({"removing": True, "purged": {"$ne": True}}, {"_id": 1})):
            self._payloads.purge(row["_id"])
        rows.delete_many({"purged": True, "since": {"$lt": now - timedelta(seconds=_TOMBSTONE_SECONDS)}})

    def _sweep_requests(self, before: datetime) -> int:
        return self._database.collection(REQUESTS).delete_many({"at": {"$lt": before}}).deleted_count

    def _sweep_events(self, before: datetime, max_bytes: int) -> int:
        total = 0
        while count := self._writer.submit(_Trim(before, max_bytes)):
            total += count
        return total


@dataclass(frozen=True, slots=True)
class _Condemn:
    """Payloads that are to be removed, unless a version refers to them after all."""

    payload_ids: Sequence[ObjectId]

    def wants(self) -> Sequence[tuple[Table, Sequence[Any]]]:
        return [(table, self.payload_ids) for table in (GARBAGE_TABLE, FILE_TABLE, UPLOAD_TABLE)]

    def apply(self, unit: Unit) -> list[tuple[ObjectId, int | None]]:
        """Those that are to go, with their size where it is known without reading them."""
        removed: list[tuple[ObjectId, int | None]] = []
        for payload_id in self.payload_ids:
            row = unit.get(GARBAGE_TABLE, payload_id)
            if row is not None and row["removing"]:
                continue
            if payload_id in unit.referred or is_referenced(unit.database, payload_id, unit.session):
                if row is not None:
                    unit.delete(GARBAGE_TABLE, payload_id)
                continue
            file = unit.get(FILE_TABLE, payload_id)
            if file is None and unit.get(UPLOAD_TABLE, payload_id) is not None:
                continue  # begun again since
            if file is not None:
                unit.delete(FILE_TABLE, payload_id)
            put_garbage(unit, payload_id, {"since": unit.now, "removing": True})
            removed.append((payload_id, None if file is None else file["length"]))
        return removed


@dataclass(frozen=True, slots=True)
class _Trim:
    """The oldest blocks of the log: those committed before a time, or beyond a size; some at a time."""

    before: datetime
    max_bytes: int

    def wants(self) -> Sequence[tuple[Table, Sequence[Any]]]:
        return []

    def apply(self, unit: Unit) -> int:
        """How many events go."""
        counter = next(unit.database.documents(LOG, {"_id": LOG_ID}, unit.session), None)
        if counter is None or unit.log.oldest is not None:
            return 0
        bounds = decode(counter)
        oldest: int = bounds["oldest"]
        blocks = unit.database.documents(
            EVENTS,
            {},
            unit.session,
            projection={"size": 1, "committed": 1, "messages": 1},
            sort=[("_id", 1)],
            limit=BLOCKS_AT_ONCE,
        )
        log = unit.log
        for block in map(decode, blocks):
            held = bounds["size_bytes"] - log.removed_bytes
            if block["committed"] >= self.before and held <= self.max_bytes:
                break
            log.oldest = block["_id"] + 1
            log.removed_bytes += block["size"]
            log.removed_blocks.append(block["_id"])
            log.removed_messages += block["messages"]
        return 0 if log.oldest is None else log.oldest - oldest
