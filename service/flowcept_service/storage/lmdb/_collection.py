"""A collection of documents that can be queried: rows in the order of their insertion, identifiers, and indexes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection as AnyCollection
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flowcept_service.domain.records import ID_FIELDS, INDEXED_FIELDS, Collection
from flowcept_service.storage.lmdb._environment.environment import Environment, Table, TableKind
from flowcept_service.storage.lmdb._environment.keys import NUMBER, text_key
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction

if TYPE_CHECKING:
    import lmdb

_INDEX: Final = TableKind(sorted_duplicates=True, fixed_values=True)


def secondary_fields(collection: Collection) -> tuple[str, ...]:
    """The indexed fields that need a table of their own: all but the one that identifies a document."""
    return tuple(name for name in INDEXED_FIELDS[collection] if name != ID_FIELDS.get(collection))


def collection_tables(collection: Collection) -> Mapping[str, TableKind]:
    """The tables of a collection."""
    indexes = {f"{collection}.{name}": _INDEX for name in secondary_fields(collection)}
    return {collection.value: TableKind(), f"{collection}._id": TableKind(), **indexes}


@dataclass(frozen=True, slots=True)
class Entry:
    """A document at its place."""

    row: bytes
    """Key of the row."""
    data: bytes
    """The document as BSON."""


class Change(NamedTuple):
    """What is to become of one document. A named tuple, because every message makes one."""

    key: bytes
    """What identifies it; unique in the collection."""
    row: bytes | None
    """Where it is; None for a new one."""
    before: Mapping[str, Any]
    """The document as it is, its indexed fields at least; empty for a new one."""
    after: Mapping[str, Any]
    """The document as it is to be, its indexed fields at least; empty to remove it."""
    data: bytes
    """The document as it is to be, as BSON; empty to remove it."""


class IndexedCollection:
    """One collection's rows and indexes, kept together.

    Args:
        environment: The environment, with ``collection_tables``.
        collection: Which one.
    """

    def __init__(self, environment: Environment, collection: Collection) -> None:
        self.name = collection
        self.rows = environment.table(collection.value)
        self.keys = environment.table(f"{collection}._id")
        self.indexes = {name: environment.table(f"{collection}.{name}") for name in secondary_fields(collection)}
        self._next_row = 1

    def get(self, txn: lmdb.Transaction[bytes], key: bytes) -> Entry | None:
        """The document that a key identifies, or None."""
        row = txn.get(key, db=self.keys)
        if row is None:
            return None
        data = txn.get(row, db=self.rows)
        return None if data is None else Entry(row, data)

    def get_many(self, txn: WriteTransaction, keys: AnyCollection[bytes]) -> dict[bytes, Entry]:
        """The documents that some keys identify, by their keys."""
        entries: dict[bytes, Entry] = {}
        for key, row in txn.get_many(keys, self.keys).items():
            data = txn.get(row, self.rows)
            if data is not None:
                entries[key] = Entry(row, data)
        return entries

    def entries_with(self, txn: lmdb.Transaction[bytes], field: str, value: str, end: int) -> Iterator[Entry]:
        """The documents before row ``end`` whose indexed field has a value, in the order of the rows."""
        key = text_key(value)
        if field not in self.indexes:
            entry = self.get(txn, key)
            if entry is not None:
                yield entry
            return
        limit = NUMBER.pack(end)
        for row in rows_from(txn, self.indexes[field], key, NUMBER.pack(0)):
            if row >= limit:
                return
            data = txn.get(row, db=self.rows)
            if data is not None:
                yield Entry(row, data)

    def count_with(self, txn: lmdb.Transaction[bytes], field: str, value: str) -> int:
        """How many documents have a value in an indexed field; the index knows, without counting."""
        with txn.cursor(self.indexes[field]) as cursor:
            return int(cursor.count()) if cursor.set_key(text_key(value)) else 0

    def next_row(self, txn: lmdb.Transaction[bytes]) -> int:
        """The number of the row that comes next."""
        with txn.cursor(self.rows) as cursor:
            last = NUMBER.unpack(cursor.key())[0] if cursor.last() else 0
        # The number of a deleted last row is not given again: a query under way may still ask for it.
        return max(self._next_row, last + 1)

    def apply(self, txn: WriteTransaction, changes: Sequence[Change]) -> None:
        """Write changes of different documents. New ones get rows behind all others, in their order."""
        new = [change for change in changes if change.row is None]
        if new:
            self._insert(txn, new)
        for change in changes:
            if change.row is None:
                continue
            if change.data:
                txn.put(change.row, change.data, self.rows)
            else:
                txn.delete(change.row, self.rows)
                txn.delete(change.key, self.keys)
            self._reindex(txn, change.row, change.before, change.after)

    def _insert(self, txn: WriteTransaction, new: Sequence[Change]) -> None:
        first = self.next_row(txn.reader)
        self._next_row = first + len(new)
        pack = NUMBER.pack
        rows = [pack(number) for number in range(first, first + len(new))]
        txn.put_many(zip(rows, [change.data for change in new], strict=True), self.rows, append=True)
        txn.put_many(sorted(zip([change.key for change in new], rows, strict=True)), self.keys)
        for name, table in self.indexes.items():
            txn.put_many(_index_entries([change.after.get(name) for change in new], rows), table)

    def _reindex(self, txn: WriteTransaction, row: bytes, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        for name, table in self.indexes.items():
            old, new = before.get(name), after.get(name)
            if old == new:
                continue
            old_keys, new_keys = index_keys(old), index_keys(new)
            for key in old_keys - new_keys:
                txn.delete(key, table, row)
            for key in new_keys - old_keys:
                txn.put(key, row, table)


def index_keys(value: Any) -> set[bytes]:
    """The keys of a field's value: that of a string, or of each string in an array, for an equality matches both."""
    if isinstance(value, str):
        return {text_key(value)}
    if isinstance(value, list):
        return {text_key(item) for item in value if isinstance(item, str)}
    return set()


def _index_entries(values: Iterable[Any], rows: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
    """The entries of new rows, in order; the rows of one value together, for most of a batch share theirs."""
    rows_of: defaultdict[str, list[bytes]] = defaultdict(list)
    for value, row in zip(values, rows, strict=True):
        if isinstance(value, str):
            rows_of[value].append(row)
        elif isinstance(value, list):
            for item in {item for item in value if isinstance(item, str)}:
                rows_of[item].append(row)
    entries: list[tuple[bytes, bytes]] = []
    for key, same in sorted((text_key(value), same) for value, same in rows_of.items()):
        entries += zip(repeat(key), same, strict=False)
    return entries


def rows_from(txn: lmdb.Transaction[bytes], index: Table, key: bytes, start: bytes) -> Iterator[bytes]:
    """The rows under a key of an index, from one on."""
    with txn.cursor(index) as cursor:
        found = cursor.set_range_dup(key, start)
        while found:
            yield cursor.value()
            found = cursor.next_dup()
