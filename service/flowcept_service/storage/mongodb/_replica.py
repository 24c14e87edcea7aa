"""The store as one end of a copy."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as AnyCollection
from datetime import datetime
from typing import Any, Final

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from flowcept_service.domain.events import EventEncoder
from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.domain.records import ID_FIELDS, RECORD_KINDS, Collection
from flowcept_service.domain.replication import (
    KeptRequest,
    LogBlock,
    ReplicaBatch,
    RequestPage,
    RowKey,
    RowPage,
    StoredRow,
)
from flowcept_service.storage.contract import EventLog
from flowcept_service.storage.documents import DATA_FIELD
from flowcept_service.storage.mongodb._apply import apply_batch, history_filters
from flowcept_service.storage.mongodb._commit.horizon import Horizon
from flowcept_service.storage.mongodb._commit.presence import Presence
from flowcept_service.storage.mongodb._commit.unit import KEYS_AT_ONCE
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.errors import is_transient
from flowcept_service.storage.mongodb._connection.raw import RAW, split_id, without_id
from flowcept_service.storage.mongodb._connection.schema import (
    CHUNK_BYTES,
    CONSUMERS,
    EVENTS,
    FILES,
    IDENTITY_ID,
    LOG,
    LOG_ID,
    MESSAGES,
    REPLICA,
    REQUESTS,
    STATE_ID,
)
from flowcept_service.storage.mongodb._connection.settings import MongodbSettings

_NO_BYTES: Final = {DATA_FIELD: 0}
_SNAPSHOT: Final = ReadConcern("snapshot")
_ATTEMPTS: Final = 3
"""Of a transaction that meets another one. The driver's own loop goes on for minutes, and an outage is to be seen."""
_BATCH_DOCUMENTS: Final = 1000
"""Documents that the server sends at once, so that it does not read far beyond a page."""


class MongodbReplica:
    """Keeps ``storage.replica.Replica``.

    Args:
        database: Where everything is.
        settings: How long writes may take.
        encoder: Makes the bytes of events.
        clock: The time of commits, aware.
        presence: The session to commit in. A store that is the copy of another one has no other use for it meanwhile.
        horizon: How far the log is known to go; told of what is applied.
        events: Reads the log.
    """

    keeps_bytes_in_documents = True

    def __init__(
        self,
        database: Database,
        settings: MongodbSettings,
        *,
        encoder: EventEncoder,
        clock: Callable[[], datetime],
        presence: Presence,
        horizon: Horizon,
        events: EventLog,
    ) -> None:
        self._database = database
        self._write_concern = WriteConcern("majority", wtimeout=int(settings.write_seconds * 1000))
        self._encoder = encoder
        self._clock = clock
        self._presence = presence
        self._horizon = horizon
        self._events = events

    def comes_inline(self, version: ObjectVersion) -> bool:
        """See ``Replica.comes_inline``."""
        return version.save_data_in_collection or version.object_size_bytes <= CHUNK_BYTES

    def identity(self) -> str:
        """See ``Replica.identity``."""
        with self._database.errors():
            rows = self._database.collection(REPLICA)
            rows.update_one({"_id": IDENTITY_ID}, {"$setOnInsert": {"name": uuid.uuid4().hex}}, upsert=True)
            row = rows.find_one({"_id": IDENTITY_ID}) or {}
        return str(row.get("name", ""))

    def rows(self, collection: Collection, cursor: bytes, max_bytes: int) -> RowPage:
        """See ``Replica.rows``. In the order of ``_id``, which is that of insertion; the cursor is the next one."""
        options: dict[str, Any] = {"sort": [("_id", 1)], "batch_size": _BATCH_DOCUMENTS}
        if cursor:
            # Unlike a filter, this goes on behind identifiers of another type too.
            options |= {"min": bson.decode(cursor), "hint": [("_id", 1)]}
        if collection not in RECORD_KINDS:
            options["projection"] = _NO_BYTES
        rows: list[StoredRow] = []
        size = skipped = 0
        with self._database.errors():
            for document in self._database.documents(collection.value, {}, **options):
                identity, data = split_id(document)
                if size >= max_bytes:
                    return RowPage(rows, bson.encode({"_id": identity}), skipped)
                size += len(data)
                key = _row_key(collection, data)
                if key is None:
                    skipped += 1
                else:
                    rows.append(StoredRow(key, data))
        return RowPage(rows, b"", skipped)

    def stored(self, keys: Sequence[RowKey]) -> list[bytes | None]:
        """See ``Replica.stored``."""
        by_collection: dict[Collection, list[RowKey]] = {}
        for key in keys:
            by_collection.setdefault(key.collection, []).append(key)
        found: dict[RowKey | None, bytes] = {}
        with self._database.errors():
            for collection, wanted in by_collection.items():
                projection = None if collection in RECORD_KINDS else _NO_BYTES
                for query in _filters(collection, wanted):
                    for document in self._database.documents(collection.value, query, projection=projection):
                        data = without_id(document)
                        found[_row_key(collection, data)] = data
        return [found.get(key) for key in keys]

    def changes(self, after: int, max_bytes: int) -> list[LogBlock]:
        """See ``Replica.changes``."""
        blocks = self._events.read(after, max_bytes)
        if not blocks:
            return []
        with self._database.errors():
            rows = self._database.collection(EVENTS).find(
                {"_id": {"$in": [block.last for block in blocks]}}, {"committed": 1, "messages": 1}
            )
            beside = {row["_id"]: row for row in rows}
            reached = {"sequence": {"$gte": blocks[0].first, "$lte": blocks[-1].last}}
            requests = list(self._database.collection(REQUESTS).find(reached))
        # A block that was trimmed just now ends the list: the next call says so.
        held = [block for block in blocks if block.last in beside]
        return [
            LogBlock(
                block,
                beside[block.last]["committed"],
                tuple(beside[block.last]["messages"]),
                tuple(_kept(row) for row in requests if block.first <= row["sequence"] <= block.last),
            )
            for block in held
        ]

    def requests(self, cursor: bytes, limit: int) -> RequestPage:
        """See ``Replica.requests``. In the order of their ids; the cursor is the last one."""
        wanted = {"_id": {"$gt": cursor.decode("utf-8", "surrogatepass")}} if cursor else {}
        with self._database.errors():
            rows = list(self._database.collection(REQUESTS).find(wanted, sort=[("_id", 1)], limit=limit))
        place = rows[-1]["_id"].encode("utf-8", "surrogatepass") if len(rows) == limit else b""
        return RequestPage([_kept(row) for row in rows], place)

    def consumers(self) -> Mapping[str, int]:
        """See ``Replica.consumers``."""
        with self._database.errors():
            return {row["_id"]: row["position"] for row in self._database.collection(CONSUMERS).find()}

    def state(self) -> bytes | None:
        """See ``Replica.state``."""
        with self._database.errors():
            row = self._database.collection(REPLICA).find_one({"_id": STATE_ID})
        return None if row is None else bytes(row["state"])

    def held(self, payload_ids: AnyCollection[ObjectId]) -> set[ObjectId]:
        """See ``Replica.held``."""
        wanted = list(payload_ids)
        found: set[ObjectId] = set()
        with self._database.errors():
            for start in range(0, len(wanted), KEYS_AT_ONCE):
                some = {"_id": {"$in": wanted[start : start + KEYS_AT_ONCE]}}
                found |= {row["_id"] for row in self._database.collection(FILES).find(some, {"_id": 1})}
        return found

    def apply(self, batch: ReplicaBatch) -> None:
        """See ``Replica.apply``."""
        session = self._presence.session()
        with self._database.errors():
            for attempts_left in reversed(range(_ATTEMPTS)):
                try:
                    with session.start_transaction(_SNAPSHOT, self._write_concern):
                        position = apply_batch(self._database, self._encoder, batch, self._clock(), session)
                except PyMongoError as error:
                    if not is_transient(error):
                        raise
                    if attempts_left:
                        continue
                    if isinstance(error, OperationFailure):
                        # Another transaction is in the way, for ever so long if its process has died.
                        self._presence.end_dead_sessions()
                    raise
                else:
                    self._horizon.reach(position)
                    return

    def reset_log(self, after: int) -> None:
        """See ``Replica.reset_log``."""
        with self._database.errors():
            for name in (EVENTS, MESSAGES, REQUESTS, CONSUMERS):
                self._database.collection(name).delete_many({})
            self._database.collection(LOG).update_one(
                {"_id": LOG_ID}, {"$set": {"oldest": after + 1, "last": after, "size_bytes": 0}, "$inc": {"commits": 1}}
            )


def _filters(collection: Collection, keys: Sequence[RowKey]) -> list[dict[str, Any]]:
    if collection is Collection.OBJECT_HISTORY:
        return list(history_filters(keys))
    names = [key.id for key in keys]
    field = ID_FIELDS[collection]
    return [{field: {"$in": names[at : at + KEYS_AT_ONCE]}} for at in range(0, len(names), KEYS_AT_ONCE)]


def _row_key(collection: Collection, data: bytes) -> RowKey | None:
    """What identifies a document; None for one without identifier, which another writer left."""
    document = RawBSONDocument(data, RAW)
    if collection is Collection.OBJECT_HISTORY:
        name, version = document.get("object_id"), document.get("version")
        return RowKey(collection, name, version) if isinstance(name, str) and isinstance(version, int) else None
    name = document.get(ID_FIELDS[collection])
    return RowKey(collection, name) if isinstance(name, str) and name else None


def _kept(row: Mapping[str, Any]) -> KeptRequest:
    return KeptRequest(row["_id"], row["at"], bytes(row["document"]))
