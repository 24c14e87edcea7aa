"""Documents, their identifiers and their indexes, each against the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flowcept_service.domain.records import ID_FIELDS, Collection, Document
from flowcept_service.storage.lmdb._collection import index_keys, secondary_fields
from flowcept_service.storage.lmdb._environment.keys import NUMBER, text_key, version_key
from flowcept_service.storage.lmdb.check._finding import Finding, Kind
from flowcept_service.storage.lmdb.check._rows import (
    drop,
    entries,
    has_pair,
    put,
    rows,
    string,
    text,
    try_decode,
    value_of,
)
from flowcept_service.storage.lmdb.offline import Snapshot


def key_of(collection: Collection, document: Document) -> bytes | None:
    """What identifies a document, or None when it does not say."""
    if collection is Collection.OBJECT_HISTORY:
        object_id, version = string(document, "object_id"), document.get("version")
        return version_key(object_id, version) if object_id and isinstance(version, int) and version >= 0 else None
    name = string(document, ID_FIELDS[collection])
    return text_key(name) if name else None


def name_of(key: bytes, collection: Collection) -> str:
    """What identifies a document, for people."""
    if collection is Collection.OBJECT_HISTORY and len(key) > NUMBER.size:
        return f"{text(key[: -NUMBER.size])} version {NUMBER.unpack(key[-NUMBER.size :])[0]}"
    return text(key)


class CollectionCheck:
    """The check of one collection. Documents are what counts: everything else follows from them.

    Args:
        snapshot: The store.
        collection: Which one.
        visit: Is given each document that can be read, with its key.
    """

    def __init__(self, snapshot: Snapshot, collection: Collection, visit: Callable[[bytes, Document], None]) -> None:
        self._snapshot = snapshot
        self._collection = collection
        self._visit = visit
        self._indexes = secondary_fields(collection)
        self._keyed = 0
        self._indexed = dict.fromkeys(self._indexes, 0)
        self._unkeyed: set[bytes] = set()

    def run(self) -> Iterator[Finding]:
        """What is wrong."""
        cursors = {
            name: self._snapshot.records.cursor(self._snapshot.record_file.table(self._index(name)))
            for name in self._indexes
        }
        try:
            for row, data in rows(self._snapshot, self._collection.value):
                document = try_decode(data)
                key = None if document is None else key_of(self._collection, document)
                if document is None or key is None:
                    problem = "cannot be decoded" if document is None else "has no identifier"
                    number = f"row {NUMBER.unpack(row)[0]}"
                    yield Finding(Kind.DOCUMENT_UNREADABLE, self._collection.value, number, f"the document {problem}")
                    continue
                yield from self._key(row, key)
                for name, cursor in cursors.items():
                    for wanted in index_keys(document.get(name)):
                        if has_pair(cursor, wanted, row):
                            self._indexed[name] += 1
                        else:
                            yield self._index_missing(name, wanted, row, key)
                self._visit(key, document)
        finally:
            for cursor in cursors.values():
                cursor.close()
        yield from self._stray_keys()
        for name in self._indexes:
            yield from self._stray_entries(name)

    def _index(self, name: str) -> str:
        return f"{self._collection}.{name}"

    @property
    def _keys(self) -> str:
        return f"{self._collection}._id"

    def _key(self, row: bytes, key: bytes) -> Iterator[Finding]:
        found = value_of(self._snapshot, self._keys, key)
        if found == row:
            self._keyed += 1
            return
        name = name_of(key, self._collection)
        if key in self._unkeyed or (found is not None and self._document_key(found) == key):
            yield Finding(Kind.DOCUMENT_DUPLICATE, self._collection.value, name, "there are two documents of this name")
            return
        self._unkeyed.add(key)
        problem = "the document is not found by its name"
        fix = put(self._snapshot, self._keys, key, row)
        yield Finding(Kind.KEY_MISSING, self._collection.value, name, problem, fix)

    def _document(self, row: bytes) -> Document | None:
        data = value_of(self._snapshot, self._collection.value, row)
        return None if data is None else try_decode(data)

    def _document_key(self, row: bytes) -> bytes | None:
        document = self._document(row)
        return None if document is None else key_of(self._collection, document)

    def _index_missing(self, name: str, wanted: bytes, row: bytes, key: bytes) -> Finding:
        return Finding(
            Kind.INDEX_MISSING,
            self._index(name),
            name_of(key, self._collection),
            f"the index of {name} does not have the document under {text(wanted)!r}",
            put(self._snapshot, self._index(name), wanted, row),
        )

    def _is_there(self, row: bytes) -> bool:
        return value_of(self._snapshot, self._collection.value, row) is not None

    def _stray_keys(self) -> Iterator[Finding]:
        if entries(self._snapshot, self._keys) == self._keyed:
            return
        for key, row in rows(self._snapshot, self._keys):
            # An unreadable document was found already, and a key that will lead elsewhere too.
            if key in self._unkeyed or (self._is_there(row) and self._document(row) is None):
                continue
            if self._document_key(row) != key:
                yield Finding(
                    Kind.KEY_STRAY,
                    self._collection.value,
                    name_of(key, self._collection),
                    "the name leads to a document that is not there",
                    drop(self._snapshot, self._keys, key),
                )

    def _stray_entries(self, name: str) -> Iterator[Finding]:
        if entries(self._snapshot, self._index(name)) == self._indexed[name]:
            return
        for key, row in rows(self._snapshot, self._index(name)):
            document = self._document(row)
            if document is None and self._is_there(row):
                continue
            if document is None or key not in index_keys(document.get(name)):
                yield Finding(
                    Kind.INDEX_STRAY,
                    self._index(name),
                    text(key),
                    f"the index of {name} leads to row {NUMBER.unpack(row)[0]}, which has another value or is not "
                    "there",
                    drop(self._snapshot, self._index(name), key, row),
                )
