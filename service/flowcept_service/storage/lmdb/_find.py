"""Answers queries: by an index where the filter pins an indexed field, by a scan of the rows elsewhere."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from heapq import merge
from itertools import groupby, islice
from typing import Final

from flowcept_service.domain.records import ID_FIELDS
from flowcept_service.query import Query, QueryBudget, run_bson, within
from flowcept_service.storage.lmdb._collection import IndexedCollection, rows_from
from flowcept_service.storage.lmdb._environment.environment import Environment, Table
from flowcept_service.storage.lmdb._environment.keys import NUMBER, text_key

BATCH_BYTES: Final = 256 << 10
"""Documents that one read transaction copies: a slow reader of the results must not hold one open."""
BATCH_ROWS: Final = 1000
MERGED_ROWS: Final = 16_384
"""Row numbers that a query for many values of a field holds, all values together."""
_FIRST: Final = NUMBER.pack(0)


def find(
    environment: Environment, collection: IndexedCollection, query: Query, budget: QueryBudget | None = None
) -> Generator[bytes, None, None]:
    """See ``RecordStore.find``. Documents come in the order of their insertion, unless the query sorts."""
    field = _pinned_field(collection, query)
    values = query.hints.equalities[field] if field is not None else frozenset[str]()
    matched = False
    if field is None:
        documents = _scan(environment, collection)
    elif field not in collection.indexes:
        documents = _fetch(environment, collection, _rows_by_id(environment, collection, values))
    elif len(values) == 1:
        # Index and row are read in one transaction, so what the index says of the document holds.
        matched = query.hints.covered_by == field
        documents = _by_value(environment, collection, collection.indexes[field], text_key(next(iter(values))))
    else:
        documents = _fetch(environment, collection, _rows_by_index(environment, collection.indexes[field], values))
    with closing(documents):
        yield from run_bson(query, within(budget, documents), matched=matched)


def _pinned_field(collection: IndexedCollection, query: Query) -> str | None:
    """The indexed field for which the filter allows the fewest values, the identifier before all others."""
    pinned = query.hints.equalities
    identifier = ID_FIELDS.get(collection.name)
    if identifier is not None and identifier in pinned:
        return identifier
    usable = [name for name in collection.indexes if name in pinned]
    return min(usable, key=lambda name: len(pinned[name]), default=None)


def _scan(environment: Environment, collection: IndexedCollection) -> Generator[bytes, None, None]:
    """All documents."""
    start = _FIRST
    while True:
        batch: list[bytes] = []
        size = 0
        with environment.read() as txn, txn.cursor(collection.rows) as cursor:
            if not cursor.set_range(start):
                return
            for row, data in cursor:
                last = row
                batch.append(data)
                size += len(data)
                if size >= BATCH_BYTES:
                    break
            start = _next(last)
        yield from batch


def _by_value(
    environment: Environment, collection: IndexedCollection, index: Table, key: bytes
) -> Generator[bytes, None, None]:
    """The documents under one key of an index."""
    start = _FIRST
    while True:
        batch: list[bytes] = []
        size = 0
        with environment.read() as txn:
            rows = rows_from(txn, index, key, start)
            for row in islice(rows, BATCH_ROWS):
                data = txn.get(row, db=collection.rows)
                if data is not None:
                    batch.append(data)
                    size += len(data)
                start = _next(row)
                if size >= BATCH_BYTES:
                    break
        if not batch:
            return
        yield from batch


def _fetch(
    environment: Environment, collection: IndexedCollection, rows: Iterable[bytes]
) -> Generator[bytes, None, None]:
    """The documents of rows; those that were deleted meanwhile are left out."""
    remaining = iter(rows)
    while wanted := list(islice(remaining, BATCH_ROWS)):
        at = 0
        while at < len(wanted):
            batch: list[bytes] = []
            size = 0
            with environment.read() as txn:
                while at < len(wanted) and size < BATCH_BYTES:
                    data = txn.get(wanted[at], db=collection.rows)
                    at += 1
                    if data is not None:
                        batch.append(data)
                        size += len(data)
            yield from batch


def _rows_by_id(environment: Environment, collection: IndexedCollection, values: Iterable[str]) -> list[bytes]:
    """The rows of identifiers."""
    with environment.read() as txn:
        rows = [txn.get(text_key(value), db=collection.keys) for value in values]
    return sorted(row for row in rows if row is not None)


def _rows_by_index(environment: Environment, index: Table, values: Iterable[str]) -> Iterator[bytes]:
    """The rows of any of several values, each once (an array may hold two of them), in order."""
    keys = sorted(text_key(value) for value in values)
    at_once = max(1, min(BATCH_ROWS, MERGED_ROWS // max(1, len(keys))))
    every = merge(*(_rows_of_value(environment, index, key, at_once) for key in keys))
    return (row for row, _ in groupby(every))


def _rows_of_value(environment: Environment, index: Table, key: bytes, at_once: int) -> Iterator[bytes]:
    start = _FIRST
    while True:
        with environment.read() as txn:
            rows = list(islice(rows_from(txn, index, key, start), at_once))
        yield from rows
        if len(rows) < at_once:
            return
        start = _next(rows[-1])


def _next(row: bytes) -> bytes:
    return NUMBER.pack(NUMBER.unpack(row)[0] + 1)
