"""Payload bytes as values of about 1 MiB, under payload and offset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bson import ObjectId

from flowcept_service.storage.lmdb._environment.environment import Environment, Table
from flowcept_service.storage.lmdb._environment.keys import NUMBER
from flowcept_service.storage.lmdb._environment.pages import drop_pages
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction

CHUNK_BYTES: Final = 1 << 20
"""Small pieces are joined up to about this size: larger values need long runs of free pages, small ones more work."""
_ID_BYTES: Final = 12
_LAST_OFFSET: Final = b"\xff" * 8
DELETED_AT_ONCE: Final = 16
"""Values in one transaction of a removal: others wait for it, and looking at them maps up to two megabytes each."""
PAYLOADS_AT_ONCE: Final = 500
"""Payloads that one read transaction lists."""


def coalesce(data: Sequence[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The same bytes in pieces of one to two ``CHUNK_BYTES``, but for the last; larger ones stay as they are."""
    gathered: list[bytes | memoryview] = []
    size = 0
    for piece in data:
        if not piece:
            continue
        gathered.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield gathered[0] if len(gathered) == 1 else b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield gathered[0] if len(gathered) == 1 else b"".join(gathered)


class ChunkTable:
    """The bytes of all payloads.

    Args:
        environment: The environment of the bytes, with a table ``chunks``.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._rows = environment.table("chunks")

    def append(
        self, txn: WriteTransaction, payload_id: ObjectId, offset: int, data: Sequence[bytes | memoryview]
    ) -> int:
        """Put bytes at an offset; the offset behind them."""
        prefix = payload_id.binary
        for value in coalesce(data):
            txn.put(prefix + NUMBER.pack(offset), value, self._rows)
            offset += len(value)
        return offset

    def size(self, payload_id: ObjectId) -> int:
        """Where the last value of a payload ends; 0 when there is none."""
        prefix = payload_id.binary
        with self._environment.read_buffers() as txn, txn.cursor(self._rows) as cursor:
            found = cursor.set_range(prefix + _LAST_OFFSET)
            if not (cursor.prev() if found else cursor.last()):
                return 0
            key = bytes(cursor.key())
            if key[:_ID_BYTES] != prefix:
                return 0
            return int(NUMBER.unpack(key[_ID_BYTES:])[0]) + len(cursor.value())

    def read(self, payload_id: ObjectId, offset: int, length: int, piece: int) -> Iterator[bytes]:
        """Bytes from an offset, in pieces of at most ``piece`` bytes; ends early where bytes are missing.

        Each stored value is copied in a read transaction of its own, so that a slow reader holds nothing back.
        """
        end = offset + length
        while offset < end:
            pieces = self._copy(payload_id, offset, end, piece)
            if not pieces:
                return
            for part in pieces:
                offset += len(part)
                yield part

    def _copy(self, payload_id: ObjectId, offset: int, end: int, piece: int) -> list[bytes]:
        """What the value around an offset holds of a range, in pieces; empty when there is no such value."""
        prefix = payload_id.binary
        with self._environment.read_buffers() as txn, txn.cursor(self._rows) as cursor:
            wanted = prefix + NUMBER.pack(offset)
            found = cursor.set_range(wanted)
            if not found or bytes(cursor.key()) != wanted:
                found = cursor.prev() if found else cursor.last()
                if not found:
                    return []
            key = bytes(cursor.key())
            if key[:_ID_BYTES] != prefix:
                return []
            start = int(NUMBER.unpack(key[_ID_BYTES:])[0])
            value = cursor.value()
            stop = min(len(value), end - start)
            pieces = [bytes(value[at : min(at + piece, stop)]) for at in range(offset - start, stop, piece)]
            drop_pages(value)
            return pieces

    def delete_some(self, txn: WriteTransaction, payload_id: ObjectId) -> bool:
        """Delete up to ``DELETED_AT_ONCE`` values of a payload; whether there may be more."""
        return delete_chunks(txn, self._rows, payload_id.binary)

    def payloads(self) -> Iterator[ObjectId]:
        """Every payload that has bytes, in order, without reading them."""
        after = b""
        while True:
            found: list[ObjectId] = []
            with self._environment.read_buffers() as txn, txn.cursor(self._rows) as cursor:
                while len(found) < PAYLOADS_AT_ONCE and cursor.set_range(after):
                    prefix = bytes(cursor.key()[:_ID_BYTES])
                    found.append(ObjectId(prefix))
                    after = prefix + _LAST_OFFSET
            if not found:
                return
            yield from found


def delete_chunks(txn: WriteTransaction, table: Table, prefix: bytes) -> bool:
    """Delete up to ``DELETED_AT_ONCE`` values of a payload; whether there may be more."""
    keys: list[bytes] = []
    with txn.reader.cursor(table) as cursor:
        found = cursor.set_range(prefix)
        while found and len(keys) < DELETED_AT_ONCE and cursor.key()[:_ID_BYTES] == prefix:
            keys.append(cursor.key())
            found = cursor.next()
    for key in keys:
        txn.delete(key, table)
    return len(keys) == DELETED_AT_ONCE
