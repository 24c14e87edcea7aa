"""Applies what was copied from another store, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from bson import Binary, ObjectId
from pymongo import DeleteOne, UpdateOne
from pymongo.client_session import ClientSession

from flowcept.errors import PreconditionError, Reason
from flowcept_service.domain.events import EventEncoder
from flowcept_service.domain.records import RECORD_KINDS, Collection
from flowcept_service.domain.replication import KeptRequest, LogBlock, ReplicaBatch, RowChange, RowKey
from flowcept_service.query import decode
from flowcept_service.storage.documents import DATA_FIELD, decode_version, document_to_version, encode_document
from flowcept_service.storage.mongodb._commit.flush import flush
from flowcept_service.storage.mongodb._commit.log import Block, block_document
from flowcept_service.storage.mongodb._commit.unit import (
    FILE_TABLE,
    HISTORY,
    RECORDS,
    REQUEST_TABLE,
    Position,
    Tail,
    Unit,
)
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.raw import with_binary
from flowcept_service.storage.mongodb._connection.schema import CONSUMERS, EVENTS, LOG, LOG_ID, REPLICA, STATE_ID
from flowcept_service.storage.mongodb._payloads.references import release
from flowcept_service.storage.mongodb._payloads.seal import WANTED_OF_PAYLOAD, seal
from flowcept_service.storage.refusals import does_not_continue

_KEYS_AT_ONCE: Final = 200
"""Alternatives in one query."""
_LATEST: Final = RECORDS[Collection.OBJECTS]


def apply_batch(
    database: Database, encoder: EventEncoder, batch: ReplicaBatch, now: datetime, session: ClientSession
) -> Position:
    """Write a batch within a transaction.

    Args:
        database: Where to.
        encoder: Of no use here; a unit of work has one.
        batch: What to write.
        now: When payloads became visible.
        session: The transaction.

    Returns:
        Where the log stands afterwards.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE, when the blocks do not continue the log.
    """
    base = _lock(database, session)
    if batch.blocks and batch.blocks[0].events.first != base.last + 1:
        raise does_not_continue(base.last, batch.blocks[0].events)
    unit = Unit(database, encoder, base, now, session)
    for collection in RECORD_KINDS:
        _put_records(unit, collection, [row for row in batch.rows if row.key.collection is collection])
    _put_versions(unit, [row for row in batch.rows if row.key.collection not in RECORD_KINDS])
    _put_requests(unit, batch)
    unit.keep()
    unit.messages += [message for block in batch.blocks for message in block.messages]
    flush(database, unit, (), session)
    last = _append(database, batch.blocks, base, session)
    consumers: list[UpdateOne | DeleteOne] = [
        *(UpdateOne({"_id": name}, {"$set": {"position": at}}, upsert=True) for name, at in batch.consumers.items()),
        *(DeleteOne({"_id": name}) for name in batch.deleted_consumers),
    ]
    if consumers:
        database.collection(CONSUMERS).bulk_write(consumers, session=session)
    database.collection(REPLICA).update_one(
        {"_id": STATE_ID}, {"$set": {"state": Binary(batch.state)}}, upsert=True, session=session
    )
    return Position(base.commits + 1, last)


def history_filters(keys: Sequence[RowKey]) -> Iterator[dict[str, Any]]:
    """What finds the documents of versions in the history, in several queries if there are many."""
    versions: dict[str, list[int | None]] = {}
    for key in keys:
        versions.setdefault(key.id, []).append(key.version)
    alternatives = [{"object_id": name, "version": {"$in": numbers}} for name, numbers in versions.items()]
    for start in range(0, len(alternatives), _KEYS_AT_ONCE):
        yield {"$or": alternatives[start : start + _KEYS_AT_ONCE]}


def _lock(database: Database, session: ClientSession) -> Position:
    counter = database.collection(LOG).find_one_and_update({"_id": LOG_ID}, {"$inc": {"commits": 1}}, session=session)
    if counter is None:
        raise PreconditionError(
            "the database was dropped while it was copied into; begin again", reason=Reason.STORAGE_INCOMPATIBLE
        )
    return Position(counter["commits"], counter["last"])


def _put_records(unit: Unit, collection: Collection, rows: Sequence[RowChange]) -> None:
    table = RECORDS[collection]
    unit.load(table, [row.key.id for row in rows])
    for row in rows:
        if row.data is None:
            unit.delete(table, row.key.id)
        else:
            unit.put(table, row.key.id, row.data)


def _put_versions(unit: Unit, rows: Sequence[RowChange]) -> None:
    payload_ids = [row.payload.payload_id for row in rows if row.payload is not None]
    for table in WANTED_OF_PAYLOAD:
        unit.load(table, payload_ids)
    latest = [row for row in rows if row.key.collection is Collection.OBJECTS]
    unit.load(_LATEST, [row.key.id for row in latest])
    _remove_history(unit, [row for row in rows if row.key.collection is Collection.OBJECT_HISTORY])
    for row in rows:
        stored = _with_bytes(unit, row)
        if row.key.collection is Collection.OBJECTS:
            _put_latest(unit, row, stored)
        elif stored is not None:
            unit.append(HISTORY, stored)


def _with_bytes(unit: Unit, row: RowChange) -> bytes | None:
    """The document as it is to be stored; bytes that do not belong into it become a file."""
    payload = row.payload
    if row.data is None or payload is None:
        return row.data
    if payload.inline is not None:
        if decode_version(row.data).save_data_in_collection:
            return with_binary(row.data, DATA_FIELD, payload.inline)
        if unit.get(FILE_TABLE, payload.payload_id) is None:
            unit.finish_payload(Tail(payload.payload_id, 0, payload.inline))
    seal(unit, payload, row.key.id, unit.now)
    return row.data


def _put_latest(unit: Unit, row: RowChange, stored: bytes | None) -> None:
    before = unit.get(_LATEST, row.key.id)
    if before is not None and DATA_FIELD not in before:
        _let_go(unit, document_to_version(before).payload_id, row)
    if stored is None:
        unit.delete(_LATEST, row.key.id)
    else:
        unit.put(_LATEST, row.key.id, stored)


def _remove_history(unit: Unit, rows: Sequence[RowChange]) -> None:
    """Make way for the versions that are to be in the history; nearly always there are none yet."""
    changes = {(row.key.id, row.key.version): row for row in rows}
    identities = []
    for wanted in history_filters([row.key for row in rows]):
        for data in unit.database.documents(HISTORY.collection, wanted, unit.session):
            document = decode(data)
            identities.append(document["_id"])
            if DATA_FIELD not in document:
                row = changes[document["object_id"], document["version"]]
                _let_go(unit, document_to_version(document).payload_id, row)
    if identities:
        unit.database.collection(HISTORY.collection).delete_many({"_id": {"$in": identities}}, session=unit.session)


def _let_go(unit: Unit, payload_id: ObjectId | None, row: RowChange) -> None:
    """A document no longer refers to a payload, unless what replaces it does."""
    if payload_id is not None and (row.data is None or decode_version(row.data).payload_id != payload_id):
        release(unit, payload_id)


def _put_requests(unit: Unit, batch: ReplicaBatch) -> None:
    found = [(request, 0) for request in batch.requests]
    found += [(request, block.events.last) for block in batch.blocks for request in block.requests]
    unit.load(REQUEST_TABLE, [request.request_id for request, _ in found])
    for request, sequence in found:
        unit.put(REQUEST_TABLE, request.request_id, encode_document(_request_row(request, sequence)))


def _request_row(request: KeptRequest, sequence: int) -> dict[str, Any]:
    return {"at": request.committed_at, "document": Binary(request.result), "sequence": sequence}


def _append(database: Database, blocks: Sequence[LogBlock], base: Position, session: ClientSession) -> int:
    """Append blocks as they are; the last sequence then."""
    if not blocks:
        return base.last
    documents = [
        block_document(
            Block(block.events.first, block.events.last, block.events.frames),
            base.commits + 1,
            block.committed_at,
            block.messages,
        )
        for block in blocks
    ]
    database.raw[EVENTS].insert_many(documents, session=session)
    last = blocks[-1].events.last
    added = sum(len(block.events.frames) for block in blocks)
    database.collection(LOG).update_one(
        {"_id": LOG_ID}, {"$set": {"last": last}, "$inc": {"size_bytes": added}}, session=session
    )
    return last
