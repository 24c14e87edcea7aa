"""One batch of messages, merged in memory and then written in one go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from flowcept.errors import FlowceptError
from flowcept_service.domain.events import EventAction, EventDraft
from flowcept_service.domain.records import RECORD_KINDS, Collection, Document, RecordWrite, WriteOutcome
from flowcept_service.query import decode
from flowcept_service.storage.drafts import record_draft
from flowcept_service.storage.lmdb._collection import Change, Entry, IndexedCollection
from flowcept_service.storage.lmdb._environment.keys import text_key
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._log.writer import EventLogWriter

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class RecordBatch:
    """The messages of one caller within a transaction.

    ``merge`` only reads from the transaction, so a batch that fails half-way leaves nothing behind; ``store`` writes.

    Args:
        txn: The transaction.
        log: Appends the events.
        collections: Where the records are.
    """

    def __init__(
        self, txn: WriteTransaction, log: EventLogWriter, collections: Mapping[Collection, IndexedCollection]
    ) -> None:
        self._txn = txn
        self._log = log
        self._collections = collections
        self._next_sequence = log.next_sequence
        self._drafts: list[EventDraft] = []
        self._message_keys: list[bytes] = []
        self._seen: set[bytes] = set()
        self._stored: dict[Collection, Mapping[bytes, Entry]] = {}
        self._changes: dict[Collection, dict[bytes, Change]] = {collection: {} for collection in RECORD_KINDS}

    def merge(self, writes: Sequence[RecordWrite]) -> list[WriteOutcome]:
        """Merge the messages into their records, each as those before it have left it."""
        message_keys = [text_key(write.message_id) if write.message_id else b"" for write in writes]
        keys = [text_key(write.record_id) for write in writes]
        # What is stored is looked up for the whole batch at once: most of it is new, and that costs next to nothing.
        self._seen = self._log.known_messages(self._txn, {key for key in message_keys if key})
        wanted: dict[Collection, set[bytes]] = {}
        for write, key in zip(writes, keys, strict=True):
            wanted.setdefault(write.collection, set()).add(key)
        for collection, some in wanted.items():
            self._stored[collection] = self._collections[collection].get_many(self._txn, some)
        return list(map(self._merge, writes, keys, message_keys))

    def _merge(self, write: RecordWrite, key: bytes, message_key: bytes) -> WriteOutcome:
        if message_key and message_key in self._seen:
            return WriteOutcome()
        collection, record_id, _, merge = write
        row, before, known = self._look_up(collection, key)
        try:
            record = merge(known)
        except FlowceptError as error:
            return WriteOutcome(error=error)
        self._changes[collection][key] = Change(key, row, before, record.marks, record.data)
        action = EventAction.CREATED if known is None else EventAction.UPDATED
        self._drafts.append(record_draft(collection, record_id, action, record, self._log.now))
        self._message_keys.append(message_key)
        self._seen.add(message_key)
        return WriteOutcome(self._next_sequence + len(self._drafts) - 1)

    def _look_up(self, collection: Collection, key: bytes) -> tuple[bytes | None, Mapping[str, Any], Document | None]:
        """Where a record is, how it was before the batch, and how it is after the messages so far."""
        changed = self._changes[collection].get(key)
        if changed is not None:
            return changed.row, changed.before, decode(changed.data)
        entry = self._stored[collection].get(key)
        if entry is None:
            return None, _NOTHING, None
        document = decode(entry.data)
        return entry.row, document, document

    def store(self) -> None:
        """Write the records and their events."""
        for collection, changes in self._changes.items():
            if changes:
                self._collections[collection].apply(self._txn, list(changes.values()))
        if self._drafts:
            self._log.append(self._txn, self._drafts, self._message_keys)
