"""The write transaction as operations see it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import lmdb

from flowcept_service.storage.lmdb._environment.environment import Table


class WriteTransaction:
    """A write transaction that several callers' operations share.

    It remembers whether anything was written, so that an operation which fails before that needs no rollback.
    """

    __slots__ = ("_txn", "written")

    def __init__(self, txn: lmdb.Transaction[bytes]) -> None:
        self._txn = txn
        self.written = False

    @property
    def reader(self) -> lmdb.Transaction[bytes]:
        """The transaction for code that only reads: it sees what was written so far."""
        return self._txn

    def get(self, key: bytes, table: Table) -> bytes | None:
        """The value of a key, or None."""
        return self._txn.get(key, db=table)

    def get_many(self, keys: Collection[bytes], table: Table) -> dict[bytes, bytes]:
        """The values of those keys that there are.

        One pass in the order of the keys, from one that the table has to the next, so that new keys which are
        neighbours (as numbered or timed identifiers are) cost one step together. Each step gives the interpreter away.
        """
        found: dict[bytes, bytes] = {}
        with self._txn.cursor(table) as cursor:
            behind = b""
            for key in sorted(keys):
                if key < behind:
                    continue
                if not cursor.set_range(key):
                    break
                behind = cursor.key()
                if behind == key:
                    found[key] = cursor.value()
        return found

    def put(self, key: bytes, value: bytes | memoryview, table: Table, *, append: bool = False) -> None:
        """Set a key; with ``append``, one that is greater than all others of the table.

        Raises:
            lmdb.CorruptedError: It is not greater, and was not set.
        """
        self.written = True
        if not self._txn.put(key, value, append=append, db=table):
            raise _not_appended(1)

    def put_many(self, items: Iterable[tuple[bytes, bytes]], table: Table, *, append: bool = False) -> None:
        """Set many keys; quick when they are sorted. With ``append``, they must be, behind all others of the table.

        Raises:
            lmdb.CorruptedError: Some are not, and were not set.
        """
        self.written = True
        with self._txn.cursor(table) as cursor:
            given, put = cursor.putmulti(items, append=append)
        if put != given:
            raise _not_appended(given - put)

    def delete(self, key: bytes, table: Table, value: bytes = b"") -> bool:
        """Delete a key, or one value of it; whether it was there."""
        self.written = True
        return self._txn.delete(key, value, db=table)


def _not_appended(count: int) -> lmdb.CorruptedError:
    """What LMDB itself passes over in silence: a table whose last key is not the greatest, as only damage makes it."""
    return lmdb.CorruptedError(f"{count} new keys do not lie behind all others; run `flowcept-service check`")
