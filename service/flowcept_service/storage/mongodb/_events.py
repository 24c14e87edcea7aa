"""The event log role: reading, waiting, and the positions of durable consumers."""

from __future__ import annotations

from typing import Any, Final

import bson
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from flowcept_service.domain.events import EventBlock, LogBounds
from flowcept_service.query import decode
from flowcept_service.storage.mongodb._commit.horizon import Horizon
from flowcept_service.storage.mongodb._commit.log import event_block, log_bounds
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import CONSUMERS, EVENTS, LOG, LOG_ID
from flowcept_service.storage.refusals import check_held, sequence_not_reached

BLOCKS_AT_ONCE: Final = 1000
"""Blocks that one read returns at most."""


class MongodbEventLog:
    """Keeps ``storage.contract.EventLog``.

    Args:
        database: Where the log is.
        horizon: How far it is known to go.
    """

    def __init__(self, database: Database, horizon: Horizon) -> None:
        self._database = database
        self._horizon = horizon

    def bounds(self) -> LogBounds:
        """See ``EventLog.bounds``."""
        with self._database.errors():
            counter = self._database.collection(LOG).find_one({"_id": LOG_ID})
        return LogBounds(1, 0, 0) if counter is None else log_bounds(counter)

    def read(self, after: int, max_bytes: int) -> list[EventBlock]:
        """See ``EventLog.read``."""
        bounds = self.bounds()
        check_held(after, bounds)
        if after == bounds.last:
            return []
        with self._database.errors():
            last = self._last_within(after, max_bytes)
            found = self._database.documents(
                EVENTS, {"_id": {"$gt": after, "$lte": last}}, projection={"messages": 0}, sort=[("_id", 1)]
            )
            blocks = [event_block(decode(document)) for document in found]
        if not blocks or blocks[0].first > after + 1:
            # Trimmed since the bounds were read.
            check_held(after, self.bounds())
        return blocks

    def _last_within(self, after: int, max_bytes: int) -> int:
        """The ``_id`` of the last block with which those behind a sequence stay within a size; the first one does."""
        sizes = self._database.documents(
            EVENTS,
            {"_id": {"$gt": after}},
            projection={"_id": 1, "size": 1},
            sort=[("_id", 1), ("size", 1)],
            limit=BLOCKS_AT_ONCE,
        )
        last = total = 0
        for document in sizes:
            block: dict[str, Any] = bson.decode(document)
            total += block["size"]
            if last and total > max_bytes:
                break
            last = block["_id"]
        return last

    def wait(self, after: int, timeout: float) -> bool:
        """See ``EventLog.wait``."""
        return self._horizon.wait(after, timeout)

    def position(self, consumer: str) -> int | None:
        """See ``EventLog.position``."""
        with self._database.errors():
            row = self._database.collection(CONSUMERS).find_one({"_id": consumer})
        return None if row is None else row["position"]

    def acknowledge(self, consumer: str, sequence: int) -> int:
        """See ``EventLog.acknowledge``."""
        last = self._horizon.position.last
        if sequence > last:
            last = self.bounds().last
        if sequence > last:
            raise sequence_not_reached(sequence, last)
        with self._database.errors():
            try:
                return self._advance(consumer, sequence)
            except DuplicateKeyError:  # two replicas made the consumer at once; now it is there
                return self._advance(consumer, sequence)

    def delete_consumer(self, consumer: str) -> int | None:
        """See ``EventLog.delete_consumer``."""
        with self._database.errors():
            row = self._database.collection(CONSUMERS).find_one_and_delete({"_id": consumer})
        return None if row is None else int(row["position"])

    def _advance(self, consumer: str, sequence: int) -> int:
        row = self._database.collection(CONSUMERS).find_one_and_update(
            {"_id": consumer},
            {"$max": {"position": sequence}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        # The upsert leaves no case without a row.
        return sequence if row is None else int(row["position"])
