"""The store as one end of a copy."""

from __future__ import annotations

import uuid
from collections.abc import Collection as AnyCollection
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.domain.records import ID_FIELDS, RECORD_KINDS, Collection
from flowcept_service.domain.replication import (
    LogBlock,
    ReplicaBatch,
    RequestPage,
    RowChange,
    RowKey,
    RowPage,
    StoredRow,
)
from flowcept_service.query import decode
from flowcept_service.storage.documents import decode_version
from flowcept_service.storage.lmdb._collection import Change, Entry, IndexedCollection
from flowcept_service.storage.lmdb._environment.environment import Environment
from flowcept_service.storage.lmdb._environment.keys import NUMBER, text_key, version_key
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._environment.writer import GroupWriter
from flowcept_service.storage.lmdb._log.tables import (
    blocks_behind,
    read_bounds,
    split_keys,
    unpack_block,
    unpack_header,
)
from flowcept_service.storage.lmdb._log.writer import EventLogWriter
from flowcept_service.storage.lmdb._payloads.references import PayloadReferences
from flowcept_service.storage.lmdb._payloads.small import SMALL_BYTES
from flowcept_service.storage.lmdb._requests import Requests
from flowcept_service.storage.refusals import check_held, does_not_continue

if TYPE_CHECKING:
    import lmdb

IDENTITY_KEY: Final = b"identity"
STATE_KEY: Final = b"replica"
ROWS_AT_ONCE: Final = 500
"""Rows in one transaction of a reset."""
_ALL_TIME: Final = datetime.max.replace(tzinfo=UTC)


class LmdbReplica:
    """Keeps ``storage.replica.Replica``.

    Args:
        environment: The environment of the records.
        writer: Its writer.
        log: Appends to the log.
        collections: Every collection.
        references: Which payloads the versions refer to.
        requests: Results kept for repeats.
    """

    keeps_bytes_in_documents = False

    def __init__(
        self,
        *,
        environment: Environment,
        writer: GroupWriter,
        log: EventLogWriter,
        collections: Mapping[Collection, IndexedCollection],
        references: PayloadReferences,
        requests: Requests,
    ) -> None:
        self._environment = environment
        self._writer = writer
        self._log = log
        self._collections = collections
        self._references = references
        self._requests = requests
        self._events = environment.table("events")
        self._event_messages = environment.table("event_messages")
        self._event_requests = environment.table("event_requests")
        self._consumers = environment.table("consumers")

    def comes_inline(self, version: ObjectVersion) -> bool:
        """See ``Replica.comes_inline``."""
        return version.object_size_bytes <= SMALL_BYTES

    def identity(self) -> str:
        """See ``Replica.identity``."""

        def operation(txn: WriteTransaction) -> str:
            known = txn.get(IDENTITY_KEY, self._environment.meta)
            if known is None:
                known = uuid.uuid4().hex.encode()
                txn.put(IDENTITY_KEY, known, self._environment.meta)
            return known.decode()

        return self._writer.submit(operation)

    def rows(self, collection: Collection, cursor: bytes, max_bytes: int) -> RowPage:
        """See ``Replica.rows``. The cursor is the number of a row."""
        rows: list[StoredRow] = []
        size = 0
        with self._environment.read() as txn, txn.cursor(self._collections[collection].rows) as place:
            found = place.set_range(cursor) if cursor else place.first()
            while found and (not rows or size < max_bytes):
                data = place.value()
                rows.append(StoredRow(_row_key(collection, data), data))
                size += len(data)
                found = place.next()
            return RowPage(rows, place.key() if found else b"")

    def stored(self, keys: Sequence[RowKey]) -> list[bytes | None]:
        """See ``Replica.stored``."""
        with self._environment.read() as txn:
            entries = [self._entry(txn, key) for key in keys]
        return [None if entry is None else entry.data for entry in entries]

    def changes(self, after: int, max_bytes: int) -> list[LogBlock]:
        """See ``Replica.changes``."""
        with self._environment.read() as txn, txn.cursor(self._events) as cursor:
            bounds = read_bounds(txn, self._environment.meta)
            check_held(after, bounds)
            blocks: list[LogBlock] = []
            size = 0
            if after == bounds.last:
                return blocks
            for key, value in blocks_behind(cursor, after):
                size += len(value)
                if blocks and size > max_bytes:
                    break
                blocks.append(self._block(txn, key, value))
            return blocks

    def _block(self, txn: lmdb.Transaction[bytes], key: bytes, value: bytes) -> LogBlock:
        committed_at = datetime.fromtimestamp(unpack_header(value).committed_ms / 1000, UTC)
        messages = split_keys(txn.get(key, b"", db=self._event_messages))
        requests = split_keys(txn.get(key, b"", db=self._event_requests))
        return LogBlock(
            unpack_block(key, value),
            committed_at,
            tuple(message.decode("utf-8", "surrogatepass") for message in messages),
            tuple(self._requests.named(txn, requests, committed_at)),
        )

    def requests(self, cursor: bytes, limit: int) -> RequestPage:
        """See ``Replica.requests``. The cursor is the place of the last one."""
        with self._environment.read() as txn:
            return RequestPage(*self._requests.kept(txn, cursor, limit))

    def consumers(self) -> Mapping[str, int]:
        """See ``Replica.consumers``."""
        with self._environment.read() as txn, txn.cursor(self._consumers) as cursor:
            return {key.decode("utf-8", "surrogatepass"): int(NUMBER.unpack(value)[0]) for key, value in cursor}

    def state(self) -> bytes | None:
        """See ``Replica.state``."""
        with self._environment.read() as txn:
            return txn.get(STATE_KEY, db=self._environment.meta)

    def held(self, payload_ids: AnyCollection[ObjectId]) -> set[ObjectId]:
        """See ``Replica.held``."""
        return self._references.referenced(payload_ids)

    def apply(self, batch: ReplicaBatch) -> None:
        """See ``Replica.apply``."""
        size = sum(len(change.data or b"") for change in batch.rows)
        size += sum(len(block.events.frames) for block in batch.blocks)
        self._writer.submit(lambda txn: self._apply(txn, batch), changes=len(batch.rows) + 1, size=size)

    def _apply(self, txn: WriteTransaction, batch: ReplicaBatch) -> None:
        if batch.blocks and batch.blocks[0].events.first != self._log.next_sequence:
            raise does_not_continue(self._log.next_sequence - 1, batch.blocks[0].events)
        for collection in RECORD_KINDS:
            self._change_records(txn, collection, [row for row in batch.rows if row.key.collection is collection])
        for row in batch.rows:
            if row.key.collection not in RECORD_KINDS:
                self._change_version(txn, row)
        for block in batch.blocks:
            self._log.copy(txn, block)
        for request in (*batch.requests, *(request for block in batch.blocks for request in block.requests)):
            self._requests.put(txn, request.request_id, request.committed_at, request.result)
        for consumer, sequence in batch.consumers.items():
            txn.put(text_key(consumer), NUMBER.pack(sequence), self._consumers)
        for consumer in batch.deleted_consumers:
            txn.delete(text_key(consumer), self._consumers)
        txn.put(STATE_KEY, batch.state, self._environment.meta)

    def _change_records(self, txn: WriteTransaction, collection: Collection, rows: Sequence[RowChange]) -> None:
        known = [(row, self._entry(txn.reader, row.key)) for row in rows]
        changes = [_change(row, entry) for row, entry in known if row.data is not None or entry is not None]
        if changes:
            self._collections[collection].apply(txn, changes)

    def _change_version(self, txn: WriteTransaction, row: RowChange) -> None:
        entry = self._entry(txn.reader, row.key)
        if row.payload is not None:
            # Before the release of what is replaced, which may refer to the same bytes.
            self._references.add(txn, row.payload)
        if row.data is not None or entry is not None:
            self._collections[row.key.collection].apply(txn, [_change(row, entry)])
        replaced = None if entry is None else decode_version(entry.data).payload_id
        if replaced is not None:
            self._references.release(txn, replaced)

    def reset_log(self, after: int) -> None:
        """See ``Replica.reset_log``."""
        while self._writer.submit(lambda txn: self._log.trim(txn, _ALL_TIME, 0)):
            pass
        while self._writer.submit(lambda txn: self._requests.expire(txn, _ALL_TIME, ROWS_AT_ONCE)):
            pass
        consumers = list(self.consumers())

        def operation(txn: WriteTransaction) -> None:
            for consumer in consumers:
                txn.delete(text_key(consumer), self._consumers)
            self._log.restart(txn, after)

        self._writer.submit(operation)

    def _entry(self, txn: lmdb.Transaction[bytes], key: RowKey) -> Entry | None:
        return self._collections[key.collection].get(txn, _entry_key(key))


def _entry_key(key: RowKey) -> bytes:
    return text_key(key.id) if key.version is None else version_key(key.id, key.version)


def _row_key(collection: Collection, data: bytes) -> RowKey:
    # Raw, so that only the top level is looked at.
    document = RawBSONDocument(data)
    if collection is Collection.OBJECT_HISTORY:
        return RowKey(collection, document["object_id"], document["version"])
    return RowKey(collection, document[ID_FIELDS[collection]])


def _change(row: RowChange, entry: Entry | None) -> Change:
    before = {} if entry is None else decode(entry.data)
    place = None if entry is None else entry.row
    if row.data is None:
        return Change(_entry_key(row.key), place, before, {}, b"")
    return Change(_entry_key(row.key), place, before, decode(row.data), row.data)
