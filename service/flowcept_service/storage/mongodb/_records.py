"""The record role: messages merged into tasks, workflows and agents, each with its event; and queries."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flowcept.errors import FlowceptError
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
from flowcept_service.storage.documents import DATA_FIELD, encode_document
from flowcept_service.storage.drafts import record_draft
from flowcept_service.storage.mongodb._commit.unit import MESSAGE_TABLE, RECORDS, Table, Unit
from flowcept_service.storage.mongodb._commit.writer import CommitWriter
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.raw import without_id
from flowcept_service.storage.mongodb._find import find

RECORD_BYTES: Final = 2048
"""About what one record costs a commit, with its event and its index entries."""
DELETED_AT_ONCE: Final = 500
"""Records in one transaction of a deletion, which others wait for."""


class MongodbRecordStore:
    """Keeps ``storage.contract.RecordStore``.

    Args:
        database: Where the records are.
        writer: Commits changes.
    """

    def __init__(self, database: Database, writer: CommitWriter) -> None:
        self._database = database
        self._writer = writer

    def write(self, writes: Sequence[RecordWrite]) -> list[WriteOutcome]:
        """See ``RecordStore.write``."""
        outcomes: list[WriteOutcome] = self._writer.submit(
            _WriteRecords(writes), changes=len(writes), size=len(writes) * RECORD_BYTES
        )
        return outcomes

    def get(self, collection: Collection, record_id: str) -> Document | None:
        """See ``RecordStore.get``."""
        wanted = {RECORDS[collection].key: record_id}
        hidden = {DATA_FIELD: 0} if collection is Collection.OBJECTS else None
        with self._database.errors():
            found = list(self._database.documents(collection.value, wanted, projection=hidden, limit=1))
        return decode(without_id(found[0])) if found else None

    def find(
        self, collection: Collection, query: Query, budget: QueryBudget | None = None
    ) -> Generator[bytes, None, None]:
        """See ``RecordStore.find``."""
        return find(self._database, collection, query, budget)

    def count(self, collection: Collection, campaign_id: str | None = None) -> int:
        """See ``RecordStore.count``."""
        with self._database.errors():
            rows = self._database.collection(collection.value)
            if campaign_id is not None:
                return rows.count_documents({"campaign_id": campaign_id})
            return rows.estimated_document_count()

    def delete(self, field: str, value: str, campaigns: Campaigns = None) -> Mapping[Collection, int]:
        """See ``RecordStore.delete``. In several transactions, if there are many."""
        return {collection: self._delete(collection, field, value, campaigns) for collection in RECORD_KINDS}

    def _delete(self, collection: Collection, field: str, value: str, campaigns: Campaigns) -> int:
        # Records that are written while the deletion runs stay; else it might never end.
        name = ID_FIELDS[collection]
        with self._database.errors():
            found = self._database.documents(collection.value, {field: value}, projection={name: 1, "_id": 0})
            ids = [decode(document)[name] for document in found]
        deleted = 0
        for start in range(0, len(ids), DELETED_AT_ONCE):
            some = ids[start : start + DELETED_AT_ONCE]
            deletion = _DeleteRecords(collection, some, field, value, campaigns)
            deleted += self._writer.submit(deletion, changes=len(some), size=len(some) * RECORD_BYTES)
        return deleted


@dataclass(frozen=True, slots=True)
class _WriteRecords:
    """The messages of one caller."""

    writes: Sequence[RecordWrite]

    def wants(self) -> Sequence[tuple[Table, Sequence[Any]]]:
        ids: dict[Collection, list[str]] = {}
        for write in self.writes:
            ids.setdefault(write.collection, []).append(write.record_id)
        messages = [write.message_id for write in self.writes if write.message_id]
        return [(MESSAGE_TABLE, messages), *((RECORDS[collection], some) for collection, some in ids.items())]

    def apply(self, unit: Unit) -> list[WriteOutcome]:
        return [_merge(unit, write) for write in self.writes]


def _merge(unit: Unit, write: RecordWrite) -> WriteOutcome:
    """Merge one message into its record, as the messages before it have left it."""
    if write.message_id and unit.knows_message(write.message_id):
        return WriteOutcome()
    table = RECORDS[write.collection]
    known = unit.get(table, write.record_id)
    try:
        record = write.merge(known)
    except FlowceptError as error:
        return WriteOutcome(error=error)
    unit.put(table, write.record_id, record.data)
    action = EventAction.CREATED if known is None else EventAction.UPDATED
    draft = record_draft(write.collection, write.record_id, action, record, unit.now)
    return WriteOutcome(unit.event(draft, write.message_id))


@dataclass(frozen=True, slots=True)
class _DeleteRecords:
    """Records that are to go, if they still have the value for which they were chosen, and the caller may."""

    collection: Collection
    ids: Sequence[str]
    field: str
    value: str
    campaigns: Campaigns

    def wants(self) -> Sequence[tuple[Table, Sequence[Any]]]:
        return [(RECORDS[self.collection], self.ids)]

    def apply(self, unit: Unit) -> int:
        table = RECORDS[self.collection]
        deleted = 0
        for record_id in self.ids:
            document = unit.get(table, record_id)
            if document is None or not _has(document.get(self.field), self.value):
                continue
            if not permits(self.campaigns, document.get("campaign_id")):
                continue
            unit.delete(table, record_id)
            data = encode_document(document)
            removed = EncodedRecord(data, visible_bson(data), document)
            unit.event(record_draft(self.collection, record_id, EventAction.DELETED, removed, unit.now))
            deleted += 1
        return deleted


def _has(found: Any, value: str) -> bool:
    """Whether a field is a value, or an array that holds it: as the query found it."""
    return found == value or (isinstance(found, list) and value in found)
