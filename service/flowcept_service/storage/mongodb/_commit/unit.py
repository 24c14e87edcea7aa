"""The unit of work: what a group of operations reads, and what it will write, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bson import ObjectId
from pymongo.client_session import ClientSession

from flowcept_service.domain.events import EventDraft, EventEncoder, EventKind
from flowcept_service.domain.records import ID_FIELDS, Collection, Document
from flowcept_service.query import decode
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import FILES, GARBAGE, MESSAGES, REQUESTS, UPLOADS

KEYS_AT_ONCE: Final = 5000
"""Keys in one query."""


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A collection, and the field by which its documents are found here; unique.

    Compared by identity: tables are keys, of which every message looks up some.
    """

    collection: str
    key: str = "_id"


RECORDS: Final = {collection: Table(collection.value, name) for collection, name in ID_FIELDS.items()}
HISTORY: Final = Table(Collection.OBJECT_HISTORY.value, "")
"""Only ever appended to."""
FILE_TABLE: Final = Table(FILES)
MESSAGE_TABLE: Final = Table(MESSAGES)
REQUEST_TABLE: Final = Table(REQUESTS)
GARBAGE_TABLE: Final = Table(GARBAGE)
UPLOAD_TABLE: Final = Table(UPLOADS, "payload_id")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where the log's counter stands."""

    commits: int
    """Transactions so far, with or without events."""
    last: int
    """The last sequence."""


@dataclass(slots=True)
class Slot:
    """One document: as the database has it, and as it is to be."""

    identity: Any = None
    """Its ``_id``; None when the database has no such document."""
    document: Document | None = None
    """Decoded, without ``_id``; None when there is none, or nobody has asked for what is to be written."""
    data: bytes | None = None
    """What is to be written, without ``_id``; None when nothing is, or when it is to be removed."""
    changed: bool = False
    guard: Document = field(default_factory=dict)
    """What must still hold of the document in the database when it is written."""

    @property
    def known(self) -> Document:
        """What finds the document in the database, if it is still as it was read."""
        return {"_id": self.identity, **self.guard}


@dataclass(frozen=True, slots=True)
class Tail:
    """The last bytes of a payload, which do not fill a chunk."""

    payload_id: ObjectId
    number: int
    """Of the chunk that they become; none of this number or a later one may be there."""
    data: bytes


@dataclass(slots=True)
class LogChange:
    """What happens to the log besides what is appended."""

    oldest: int | None = None
    removed_bytes: int = 0
    removed_blocks: list[int] = field(default_factory=list)
    removed_messages: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Pending:
    """What one operation has written so far: kept when it succeeds, forgotten when it fails."""

    slots: dict[tuple[Table, Any], Slot] = field(default_factory=dict)
    appended: list[tuple[Table, bytes]] = field(default_factory=list)
    tails: list[Tail] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    kinds: list[EventKind] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


class Unit:
    """What a group of operations sees and changes. One thread uses it; nothing reaches the database by it.

    Args:
        database: Where documents are read.
        encoder: Makes the bytes of events.
        base: Where the log stands before this unit.
        now: The time of the commit.
        session: The transaction to read in; None to read what is committed, before the transaction.
    """

    def __init__(
        self, database: Database, encoder: EventEncoder, base: Position, now: datetime, session: ClientSession | None
    ) -> None:
        self.database = database
        self.session = session
        self.base = base
        self.now = now
        self._encoder = encoder
        self._slots: dict[tuple[Table, Any], Slot] = {}
        self._pending = _Pending()
        self.appended: list[tuple[Table, bytes]] = []
        self.tails: list[Tail] = []
        self.bodies: list[bytes] = []
        self.kinds: Counter[EventKind] = Counter()
        self.messages: list[str] = []
        self.log = LogChange()
        self.referred: set[ObjectId] = set()
        """Payloads that versions of this unit refer to; the database does not know of these references yet."""

    def load(self, table: Table, keys: Iterable[Any]) -> None:
        """Read many documents at once."""
        unknown = [key for key in dict.fromkeys(keys) if (table, key) not in self._slots]
        for key in unknown:
            self._slots[table, key] = Slot()
        for start in range(0, len(unknown), KEYS_AT_ONCE):
            wanted = {table.key: {"$in": unknown[start : start + KEYS_AT_ONCE]}}
            for data in self.database.documents(table.collection, wanted, self.session):
                document = decode(data)
                identity = document.pop("_id")
                key = identity if table.key == "_id" else document[table.key]
                self._slots[table, key] = Slot(identity, document, guard=_guard(table, document))

    def get(self, table: Table, key: Any) -> Document | None:
        """A document as the operations so far have left it, without ``_id``; not to be changed."""
        slot = self._slot(table, key)
        if slot.document is None and slot.data is not None:
            slot.document = decode(slot.data)
        return slot.document

    def put(self, table: Table, key: Any, data: bytes) -> None:
        """Set a document, given as BSON."""
        known = self._slot(table, key)
        self._pending.slots[table, key] = Slot(known.identity, None, data, changed=True, guard=known.guard)

    def delete(self, table: Table, key: Any) -> None:
        """Remove a document."""
        known = self._slot(table, key)
        self._pending.slots[table, key] = Slot(known.identity, None, None, changed=True, guard=known.guard)

    def append(self, table: Table, data: bytes) -> None:
        """Add a document that nobody looks for in this unit."""
        self._pending.appended.append((table, data))

    def finish_payload(self, tail: Tail) -> None:
        """Put the last bytes of a payload into a chunk."""
        self._pending.tails.append(tail)

    def event(self, draft: EventDraft, message_id: str = "") -> int:
        """Append an event; its sequence. A message id is remembered as long as the event is held."""
        self._pending.bodies.append(self._encoder.body(draft))
        self._pending.kinds.append(draft.kind)
        if message_id:
            self._pending.messages.append(message_id)
            self._pending.slots[MESSAGE_TABLE, message_id] = Slot(None, {})
        return self.base.last + len(self.bodies) + len(self._pending.bodies)

    def knows_message(self, message_id: str) -> bool:
        """Whether a message was stored before, within the retention of the log or in this unit."""
        return self.get(MESSAGE_TABLE, message_id) is not None

    def keep(self) -> None:
        """The operation under way has succeeded."""
        pending, self._pending = self._pending, _Pending()
        self._slots.update(pending.slots)
        self.appended += pending.appended
        self.tails += pending.tails
        self.bodies += pending.bodies
        self.kinds.update(pending.kinds)
        self.messages += pending.messages

    def forget(self) -> None:
        """The operation under way has failed: nothing of it happens."""
        self._pending = _Pending()

    @property
    def position(self) -> Position:
        """Where the log stands when this unit was committed."""
        return Position(self.base.commits + 1, self.base.last + len(self.bodies))

    @property
    def changed(self) -> bool:
        """Whether there is anything to commit."""
        changed = any(slot.changed for slot in self._slots.values())
        return changed or bool(self.appended or self.tails or self.bodies) or self.log.oldest is not None

    def changes(self) -> Sequence[tuple[Table, Any, Slot]]:
        """The documents that are to be written or removed."""
        return [(table, key, slot) for (table, key), slot in self._slots.items() if slot.changed]

    def _slot(self, table: Table, key: Any) -> Slot:
        place = (table, key)
        slot = self._pending.slots.get(place) or self._slots.get(place)
        if slot is None:
            self.load(table, [key])
            slot = self._slots[place]
        return slot


def _guard(table: Table, document: Document) -> Document:
    # Uploads grow outside of the transactions that take the counter, so what was read of them may be old.
    return {name: document[name] for name in ("epoch", "size")} if table == UPLOAD_TABLE else {}
