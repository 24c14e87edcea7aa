"""Gives the events of a restored log new sequences, above all that were ever given.

A backup's log ends before that of the store which it was taken from. Were it to go on with the next number, clients
that know a later one would miss events without noticing once the log reaches it. So all events move up: whoever comes
with an old number is told that what follows it is no longer held, while durable consumers, whose positions move along,
go on where they were at the time of the backup, and repeated messages are still known.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from flowcept_service.domain.events import LogBounds
from flowcept_service.storage.lmdb._environment.environment import Table
from flowcept_service.storage.lmdb._environment.keys import NUMBER
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._log.tables import (
    BOUNDS_KEY,
    pack_block,
    pack_bounds,
    read_bounds,
    split_keys,
    unpack_block,
    unpack_header,
)
from flowcept_service.storage.lmdb.offline._file import StoreFile

if TYPE_CHECKING:
    import lmdb

MoveFrames = Callable[[bytes, int], bytes]
"""From joined frames of events and an offset to the same events with sequences that are greater by it."""
BLOCKS_AT_ONCE: Final = 16


def first_sequence(last: int, now: datetime) -> int:
    """Where a restored log's next event stands: at the microseconds since 1970.

    No log grows by a million events a second, so this is beyond what any earlier numbering has reached, that of an
    earlier restore of the same backup included; and below 2**53, up to which JSON and doubles are exact.
    """
    return max(int(now.timestamp() * 1_000_000), last + 1)


class Renumbering:
    """Moves all sequences of a store's records; the store is not used until that is complete.

    Args:
        file: The records.
        next_sequence: What the next event is to get.
        move: Changes the sequences within frames.
    """

    def __init__(self, file: StoreFile, next_sequence: int, move: MoveFrames) -> None:
        self._file = file
        self._move = move
        txn = file.begin()
        self._bounds = read_bounds(txn, file.meta)
        txn.abort()
        self._offset = next_sequence - 1 - self._bounds.last

    def run(self, is_stopping: Callable[[], bool]) -> bool:
        """Move everything; whether that was possible before ``is_stopping``."""
        moved = True
        while moved:
            if is_stopping():
                return False
            with self._file.writing() as txn:
                moved = self._move_blocks(txn)
        with self._file.writing() as txn:
            self._move_consumers(txn)
            size = sum(len(value) for _, value in self._rows(txn, "events"))
            bounds = LogBounds(self._bounds.oldest + self._offset, self._bounds.last + self._offset, size)
            txn.put(BOUNDS_KEY, pack_bounds(bounds), self._file.meta)
        return True

    def _rows(self, txn: WriteTransaction, table: str) -> lmdb.Cursor[bytes]:
        return txn.reader.cursor(self._file.table(table))

    def _move_blocks(self, txn: WriteTransaction) -> bool:
        """Move the first blocks that stand at their old place; whether there were any."""
        events, requests = self._file.table("events"), self._file.table("event_requests")
        with self._rows(txn, "events") as cursor:
            rows = list(islice(cursor, BLOCKS_AT_ONCE))
        rows = [(key, value) for key, value in rows if NUMBER.unpack(key)[0] <= self._bounds.last]
        for key, value in rows:
            block, header = unpack_block(key, value), unpack_header(value)
            moved = NUMBER.pack(block.first + self._offset)
            frames = self._move(block.frames, self._offset)
            txn.delete(key, events)
            txn.put(moved, pack_block(block.last + self._offset, header.committed_ms, frames), events)
            self._move_messages(txn, key, moved)
            self._move_row(txn, requests, key, moved)
        return bool(rows)

    def _move_messages(self, txn: WriteTransaction, key: bytes, moved: bytes) -> None:
        messages = self._file.table("messages")
        joined = self._move_row(txn, self._file.table("event_messages"), key, moved)
        for name in split_keys(joined):
            sequence = txn.get(name, messages)
            if sequence is not None:
                txn.put(name, NUMBER.pack(NUMBER.unpack(sequence)[0] + self._offset), messages)

    @staticmethod
    def _move_row(txn: WriteTransaction, table: Table, key: bytes, moved: bytes) -> bytes:
        value = txn.get(key, table)
        if value is None:
            return b""
        txn.delete(key, table)
        txn.put(moved, value, table)
        return value

    def _move_consumers(self, txn: WriteTransaction) -> None:
        with self._rows(txn, "consumers") as cursor:
            rows = list(cursor)
        for name, position in rows:
            txn.put(name, NUMBER.pack(NUMBER.unpack(position)[0] + self._offset), self._file.table("consumers"))
