"""What the database says of itself, asked so that an absent one is known to be absent within seconds."""

from __future__ import annotations

from typing import Any, Final

import pymongo

from flowcept_service.domain.events import LogBounds
from flowcept_service.domain.store_state import SLOWEST_CONSUMERS, ConsumerPosition, DatabaseSize, StoreState
from flowcept_service.storage.mongodb._commit.log import log_bounds
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import CONSUMERS, LOG, LOG_ID, UPLOADS

_SECONDS: Final = 3.0
"""For all questions together: a primary that needs longer cannot serve anybody."""


def read_state(database: Database) -> StoreState:
    """See ``Storage.state``."""
    with database.errors(), pymongo.timeout(_SECONDS):
        # The first question is for the primary, and the one that readiness depends on.
        counter = database.collection(LOG).find_one({"_id": LOG_ID})
        stats = database.plain.command("dbStats")
        staged = next(
            database.collection(UPLOADS).aggregate(
                [
                    {"$match": {"committed": False}},
                    {"$group": {"_id": None, "count": {"$sum": 1}, "bytes": {"$sum": "$size"}}},
                ]
            ),
            {"count": 0, "bytes": 0},
        )
        consumers = database.collection(CONSUMERS)
        slowest = list(consumers.find({}, sort=[("position", 1)], limit=SLOWEST_CONSUMERS))
        return StoreState(
            log=LogBounds(1, 0, 0) if counter is None else log_bounds(counter),
            databases=(_size(stats),),
            free_disk_bytes=int(stats["fsTotalSize"] - stats["fsUsedSize"]) if "fsTotalSize" in stats else None,
            staged_uploads=int(staged["count"]),
            staged_bytes=int(staged["bytes"]),
            consumers=consumers.estimated_document_count(),
            slowest_consumers=tuple(ConsumerPosition(row["_id"], row["position"]) for row in slowest),
        )


def _size(stats: dict[str, Any]) -> DatabaseSize:
    # Indexes have no free space that the server would tell of.
    used = int(stats["storageSize"] - stats.get("freeStorageSize", 0) + stats["indexSize"])
    return DatabaseSize("mongodb", used, int(stats["storageSize"] + stats["indexSize"]))
