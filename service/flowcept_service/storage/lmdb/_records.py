"""The record role: messages merged into tasks, workflows and agents, each with its event; and queries."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from flowcept_service.domain.campaigns import Campaigns, permits
from flowcept_service.domain.events import EventAction
from flowcept_service.domain.merge_state import visible_bson
from flowcept_service.domain.records import (
    ID_FIELDS,
    RECORD_KINDS,
    Collection,
    Document,
    EncodedRecord,
    RecordWrite,
    WriteOutcome,
)
from flowcept_service.query import Query, QueryBudget, decode
from flowcept_service.storage.drafts import record_draft
from flowcept_service.storage.lmdb._batch import RecordBatch
from flowcept_service.storage.lmdb._collection import Change, IndexedCollection
from flowcept_service.storage.lmdb._environment.environment import Environment
from flowcept_service.storage.lmdb._environment.keys import text_key
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._environment.writer import GroupWriter
from flowcept_service.storage.lmdb._find import find
from flowcept_service.storage.lmdb._log.writer import EventLogWriter

RECORD_BYTES: Final = 2048
"""About what one record costs a commit, with its event and its index entries."""
DELETED_AT_ONCE: Final = 500
"""Records in one transaction of a deletion, which others wait for."""


class _Doomed(NamedTuple):
    """Which records a deletion takes."""

    field: str
    value: str
    campaigns: Campaigns
    end: int
    """The row before which they are."""


class LmdbRecordStore:
    """Keeps ``storage.contract.RecordStore``.

    Args:
        environment: The environment of the records.
        writer: Its writer.
        log: Appends the events.
        collections: Every collection that can be queried.
    """

    def __init__(
        self,
        environment: Environment,
        writer: GroupWriter,
        log: EventLogWriter,
        collections: Mapping[Collection, IndexedCollection],
    ) -> None:
        self._environment = environment
        self._writer = writer
        self._log = log
        self._collections = collections

    def write(self, writes: Sequence[RecordWrite]) -> list[WriteOutcome]:
        """See ``RecordStore.write``."""

        def operation(txn: WriteTransaction) -> list[WriteOutcome]:
            batch = RecordBatch(txn, self._log, self._collections)
            outcomes = batch.merge(writes)
            batch.store()
            return outcomes

        return self._writer.submit(operation, changes=len(writes), size=len(writes) * RECORD_BYTES)

    def get(self, collection: Collection, record_id: str) -> Document | None:
        """See ``RecordStore.get``."""
        with self._environment.read() as txn:
            entry = self._collections[collection].get(txn, text_key(record_id))
        return None if entry is None else decode(entry.data)

    def find(
        self, collection: Collection, query: Query, budget: QueryBudget | None = None
    ) -> Generator[bytes, None, None]:
        """See ``RecordStore.find``."""
        return find(self._environment, self._collections[collection], query, budget)

    def count(self, collection: Collection, campaign_id: str | None = None) -> int:
        """See ``RecordStore.count``."""
        with self._environment.read() as txn:
            if campaign_id is not None:
                return self._collections[collection].count_with(txn, "campaign_id", campaign_id)
            return int(txn.stat(self._collections[collection].rows)["entries"])

    def delete(self, field: str, value: str, campaigns: Campaigns = None) -> Mapping[Collection, int]:
        """See ``RecordStore.delete``. In several transactions, if there are many."""
        return {
            collection: self._delete(self._collections[collection], field, value, campaigns)
            for collection in RECORD_KINDS
        }

    def _delete(self, collection: IndexedCollection, field: str, value: str, campaigns: Campaigns) -> int:
        # Records that are written while the deletion runs stay; else it might never end.
        with self._environment.read() as txn:
            end = collection.next_row(txn)
        doomed = _Doomed(field, value, campaigns, end)
        deleted = 0
        while True:
            count = self._writer.submit(lambda txn: self._delete_some(txn, collection, doomed))
            deleted += count
            if count < DELETED_AT_ONCE:
                return deleted

    def _delete_some(self, txn: WriteTransaction, collection: IndexedCollection, doomed: _Doomed) -> int:
        found = collection.entries_with(txn.reader, doomed.field, doomed.value, doomed.end)
        decoded = ((entry, decode(entry.data)) for entry in found)
        permitted = (pair for pair in decoded if permits(doomed.campaigns, pair[1].get("campaign_id")))
        entries = list(islice(permitted, DELETED_AT_ONCE))
        if not entries:
            return 0
        changes = []
        drafts = []
        for entry, document in entries:
            record_id = document[ID_FIELDS[collection.name]]
            changes.append(Change(text_key(record_id), entry.row, document, {}, b""))
            removed = EncodedRecord(entry.data, visible_bson(entry.data), document)
            drafts.append(record_draft(collection.name, record_id, EventAction.DELETED, removed, self._log.now))
        collection.apply(txn, changes)
        self._log.append(txn, drafts)
        return len(entries)
