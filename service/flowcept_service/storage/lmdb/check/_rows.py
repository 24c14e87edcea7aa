"""Reading and correcting rows, for all checks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from bson.errors import InvalidBSON, InvalidDocument

from flowcept_service.domain.records import Document
from flowcept_service.query import decode
from flowcept_service.storage.lmdb._environment.environment import Table
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._tables import RECORDS
from flowcept_service.storage.lmdb.check._finding import Fix
from flowcept_service.storage.lmdb.offline import Snapshot

if TYPE_CHECKING:
    import lmdb

UNDECODABLE = (InvalidBSON, InvalidDocument, ValueError, KeyError, TypeError, OverflowError)
"""What decoding bytes that were something else can raise."""


def rows(snapshot: Snapshot, table: str) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a table of the records, in order; one pair for each of several values of a key."""
    with snapshot.records.cursor(snapshot.record_file.table(table)) as cursor:
        yield from cursor


def entries(snapshot: Snapshot, table: str) -> int:
    """How many rows a table of the records has."""
    return int(snapshot.records.stat(snapshot.record_file.table(table))["entries"])


def value_of(snapshot: Snapshot, table: str, key: bytes) -> bytes | None:
    """The value of a key in a table of the records, or None."""
    return snapshot.records.get(key, db=snapshot.record_file.table(table))


def has_pair(cursor: lmdb.Cursor[bytes], key: bytes, value: bytes) -> bool:
    """Whether a key has a value among its several."""
    return bool(cursor.set_key_dup(key, value))


def try_decode(data: bytes) -> Document | None:
    """A document, or None when it is none."""
    try:
        return decode(data)
    except UNDECODABLE:
        return None


def text(key: bytes) -> str:
    """A key as people read it."""
    return key.decode("utf-8", "backslashreplace")


def put(snapshot: Snapshot, table: str, key: bytes, value: bytes) -> Fix:
    """Sets a row of the records."""
    return Fix(RECORDS, partial(_put, table=snapshot.record_file.table(table), key=key, value=value))


def drop(snapshot: Snapshot, table: str, key: bytes, value: bytes = b"") -> Fix:
    """Removes a row of the records, or one value of a key."""
    return Fix(RECORDS, partial(_drop, table=snapshot.record_file.table(table), key=key, value=value))


def _put(txn: WriteTransaction, *, table: Table, key: bytes, value: bytes) -> bool:
    txn.put(key, value, table)
    return False


def _drop(txn: WriteTransaction, *, table: Table, key: bytes, value: bytes) -> bool:
    txn.delete(key, table, value)
    return False


def string(document: dict[str, Any], field: str) -> str | None:
    """A field that must be a text, or None when it is none."""
    value = document.get(field)
    return value if isinstance(value, str) else None
