"""Writes a unit of work in its transaction, in few and large commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, OperationFailure

from flowcept_service.domain.records import Document
from flowcept_service.storage.mongodb._commit.log import Block, block_document
from flowcept_service.storage.mongodb._commit.unit import Tail, Unit
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.errors import DUPLICATE_KEY, TRANSIENT_LABEL, WRITE_CONFLICT
from flowcept_service.storage.mongodb._connection.raw import RAW, chunk_document, with_id
from flowcept_service.storage.mongodb._connection.schema import CHUNKS, EVENTS, MESSAGES

COMMAND_BYTES: Final = 12 << 20
"""A command is a document itself, and ends at 16 MiB."""
COMMAND_ITEMS: Final = 10_000
_ITEM_BYTES: Final = 128
"""What a document costs a command besides its own bytes, at most."""


def flush(database: Database, unit: Unit, blocks: Sequence[Block], session: ClientSession) -> None:
    """Write everything that a unit holds, but for the log's counter."""
    writes = _sorted(unit)
    commands = _Commands(database, session)
    for tail in unit.tails:
        commands.delete_chunks_from(tail)
    for name, known in writes.guarded_deletes:
        commands.delete_if(name, known)
    for name, identities in writes.deletes.items():
        commands.delete(name, identities)
    for name, replacements in writes.replacements.items():
        commands.replace(name, replacements)
    for name, documents in writes.inserts.items():
        commands.insert(name, documents)
    commands.remember(unit.messages)
    if blocks:
        commands.insert(EVENTS, _block_documents(unit, blocks))


@dataclass(slots=True)
class _Writes:
    """What is to be written, by collection."""

    inserts: dict[str, list[RawBSONDocument]] = field(default_factory=dict)
    replacements: dict[str, list[tuple[Document, RawBSONDocument]]] = field(default_factory=dict)
    deletes: dict[str, list[Any]] = field(default_factory=dict)
    guarded_deletes: list[tuple[str, Document]] = field(default_factory=list)

    def insert(self, name: str, document: RawBSONDocument) -> None:
        self.inserts.setdefault(name, []).append(document)


def _sorted(unit: Unit) -> _Writes:
    writes = _Writes()
    for table, key, slot in unit.changes():
        name = table.collection
        if slot.identity is None:
            if slot.data is not None:
                writes.insert(name, with_id(key, slot.data) if table.key == "_id" else _without_id(slot.data))
        elif slot.data is not None:
            writes.replacements.setdefault(name, []).append((slot.known, with_id(slot.identity, slot.data)))
        elif slot.guard:
            writes.guarded_deletes.append((name, slot.known))
        else:
            writes.deletes.setdefault(name, []).append(slot.identity)
    for table, data in unit.appended:
        writes.insert(table.collection, _without_id(data))
    for tail in unit.tails:
        if tail.data:
            writes.insert(CHUNKS, chunk_document(tail.payload_id, tail.number, [tail.data]))
    if unit.log.removed_blocks:
        writes.deletes[EVENTS] = list(unit.log.removed_blocks)
        writes.deletes[MESSAGES] = list(unit.log.removed_messages)
    return writes


def _without_id(document: bytes) -> RawBSONDocument:
    """A new document, to which the server gives an ``_id``: that costs less than making one here."""
    return RawBSONDocument(document, RAW)


def _block_documents(unit: Unit, blocks: Sequence[Block]) -> list[RawBSONDocument]:
    # All message ids go with the last block: they are needed at least as long as any of their events.
    commit, now = unit.position.commits, unit.now
    *others, last = blocks
    return [
        *(block_document(block, commit, now, ()) for block in others),
        block_document(last, commit, now, unit.messages),
    ]


class _Commands:
    """Write commands of one transaction, written out: documents are bytes here, whatever their keys."""

    def __init__(self, database: Database, session: ClientSession) -> None:
        self._database = database
        self._session = session

    def insert(self, name: str, documents: Sequence[RawBSONDocument]) -> None:
        sizes = [len(document.raw) for document in documents]
        for start, end in _parts(sizes):
            self._run({"insert": name, "documents": documents[start:end], "ordered": True})

    def remember(self, messages: Sequence[str]) -> None:
        # Identifiers are short, so the number of items is all that bounds a command.
        for start in range(0, len(messages), COMMAND_ITEMS):
            some = [{"_id": message} for message in messages[start : start + COMMAND_ITEMS]]
            self._run({"insert": MESSAGES, "documents": some, "ordered": True})

    def replace(self, name: str, replacements: Sequence[tuple[Document, RawBSONDocument]]) -> None:
        updates = [{"q": known, "u": _replacement(document), "multi": False} for known, document in replacements]
        sizes = [len(document.raw) for _, document in replacements]
        for start, end in _parts(sizes):
            answer = self._run({"update": name, "updates": updates[start:end], "ordered": True})
            _check_found(answer, end - start)

    def delete(self, name: str, identities: Sequence[Any]) -> None:
        for start in range(0, len(identities), COMMAND_ITEMS):
            some = {"_id": {"$in": identities[start : start + COMMAND_ITEMS]}}
            self._run({"delete": name, "deletes": [{"q": some, "limit": 0}]})

    def delete_if(self, name: str, known: Document) -> None:
        _check_found(self._run({"delete": name, "deletes": [{"q": known, "limit": 1}]}), 1)

    def delete_chunks_from(self, tail: Tail) -> None:
        late = {"files_id": tail.payload_id, "n": {"$gte": tail.number}}
        self._run({"delete": CHUNKS, "deletes": [{"q": late, "limit": 0}]})

    def _run(self, command: Document) -> Document:
        answer = self._database.command(command, self._session)
        for failure in answer.get("writeErrors", ()):
            kind = DuplicateKeyError if failure["code"] == DUPLICATE_KEY else OperationFailure
            raise kind(failure["errmsg"], failure["code"], failure)
        return answer


def _replacement(document: RawBSONDocument) -> Any:
    """An update that puts a document in the place of another.

    MongoDB takes fields that begin with a dollar sign where documents are inserted, but in the document of an update
    only below the top level.
    """
    if b"$" in document.raw and any(name.startswith("$") for name in document):
        return [{"$replaceWith": {"$literal": document}}]
    return document


def _check_found(answer: Document, expected: int) -> None:
    """Raise unless all documents were there that should be: else what was read of them is old."""
    if answer["n"] != expected:
        raise OperationFailure("a document changed meanwhile", WRITE_CONFLICT, {"errorLabels": [TRANSIENT_LABEL]})


def _parts(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ranges of items that fit into one command each."""
    start = size = 0
    for at, item in enumerate(sizes):
        if at > start and (size + item + _ITEM_BYTES > COMMAND_BYTES or at - start >= COMMAND_ITEMS):
            yield start, at
            start, size = at, 0
        size += item + _ITEM_BYTES
    if start < len(sizes):
        yield start, len(sizes)
