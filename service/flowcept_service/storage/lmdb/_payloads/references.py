"""Which payloads the versions refer to; kept in the transaction of the versions themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Final

from bson import ObjectId

from flowcept_service.domain.objects import Payload
from flowcept_service.storage.lmdb._environment.environment import Environment, TableKind
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._payloads.small import SMALL_TABLES, SmallPayloads

REFERENCE_TABLES: Final[Mapping[str, TableKind]] = {
    "payload_references": TableKind(),
    "payload_digests": TableKind(sorted_duplicates=True, fixed_values=True),
    "payload_garbage": TableKind(),
    **SMALL_TABLES,
}
REFERENCE: Final = Struct(">QQ32s")
"""Size, number of versions that refer to the payload, SHA-256."""


class PayloadReferences:
    """Counts references, finds payloads by digest, and remembers which ones nobody refers to any longer.

    Args:
        environment: The environment of the versions, with ``REFERENCE_TABLES``.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._rows = environment.table("payload_references")
        self._digests = environment.table("payload_digests")
        self._garbage = environment.table("payload_garbage")
        self.small = SmallPayloads(environment)

    def add(self, txn: WriteTransaction, payload: Payload) -> None:
        """One version more refers to a payload; bytes that come with it are kept."""
        key = payload.payload_id.binary
        row = txn.get(key, self._rows)
        if row is not None:
            self._count(txn, key, row, 1)
            return
        digest = bytes.fromhex(payload.sha256)
        txn.put(key, REFERENCE.pack(payload.size, 1, digest), self._rows)
        txn.put(digest, key, self._digests)
        txn.delete(key, self._garbage)
        if payload.inline is not None:
            self.small.put(txn, payload.payload_id, payload.inline)

    def add_again(self, txn: WriteTransaction, payload_id: ObjectId) -> None:
        """Another version refers to a payload that is referred to already."""
        key = payload_id.binary
        row = txn.get(key, self._rows)
        if row is not None:
            self._count(txn, key, row, 1)

    def release(self, txn: WriteTransaction, payload_id: ObjectId) -> None:
        """One version less refers to a payload; when it was the last, the payload is garbage."""
        key = payload_id.binary
        row = txn.get(key, self._rows)
        if row is None:
            return
        _, count, digest = REFERENCE.unpack(row)
        if count > 1:
            self._count(txn, key, row, -1)
            return
        txn.delete(key, self._rows)
        txn.delete(digest, self._digests, key)
        txn.put(key, b"", self._garbage)

    def _count(self, txn: WriteTransaction, key: bytes, row: bytes, change: int) -> None:
        size, count, digest = REFERENCE.unpack(row)
        txn.put(key, REFERENCE.pack(size, count + change, digest), self._rows)

    def find(self, txn: WriteTransaction, size: int, sha256: str) -> Payload | None:
        """A payload of this size and digest that a version refers to."""
        with txn.reader.cursor(self._digests) as cursor:
            found = cursor.set_key(bytes.fromhex(sha256))
            while found:
                key = cursor.value()
                row = txn.get(key, self._rows)
                if row is not None and REFERENCE.unpack(row)[0] == size:
                    return Payload(ObjectId(key), size, sha256)
                found = cursor.next_dup()
        return None

    def referenced(self, payload_ids: Iterable[ObjectId]) -> set[ObjectId]:
        """Those of the payloads that a version refers to."""
        with self._environment.read() as txn:
            return {one for one in payload_ids if txn.get(one.binary, db=self._rows) is not None}

    def garbage(self, after: ObjectId | None, limit: int) -> list[ObjectId]:
        """Payloads that nobody refers to any longer, in order."""
        with self._environment.read() as txn, txn.cursor(self._garbage) as cursor:
            found = cursor.first() if after is None else cursor.set_range(after.binary + b"\0")
            result: list[ObjectId] = []
            while found and len(result) < limit:
                result.append(ObjectId(cursor.key()))
                found = cursor.next()
            return result

    def forget(self, txn: WriteTransaction, payload_ids: Iterable[ObjectId]) -> None:
        """The bytes elsewhere were removed; those here go now."""
        for payload_id in payload_ids:
            if txn.get(payload_id.binary, self._rows) is None:
                txn.delete(payload_id.binary, self._garbage)
                self.small.delete(txn, payload_id)
