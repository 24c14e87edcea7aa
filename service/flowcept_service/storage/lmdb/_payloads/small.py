"""Small payloads, kept beside the versions: they become durable and visible in one commit instead of two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bson import ObjectId

from flowcept_service.storage.lmdb._environment.environment import Environment, TableKind
from flowcept_service.storage.lmdb._environment.pages import drop_pages
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction

SMALL_BYTES: Final = 128 << 10
"""The largest payload that is kept here: more would make the commits of others wait."""
SMALL_TABLES: Final[Mapping[str, TableKind]] = {"small_payloads": TableKind()}


class SmallPayloads:
    """Bytes under their payload's name.

    Args:
        environment: The environment of the versions, with ``SMALL_TABLES``.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._rows = environment.table("small_payloads")

    def put(self, txn: WriteTransaction, payload_id: ObjectId, data: bytes) -> None:
        """Keep bytes, with the version that refers to them."""
        txn.put(payload_id.binary, data, self._rows)

    def read(self, payload_id: ObjectId, offset: int, length: int) -> bytes | None:
        """A range of a payload's bytes, or None where they are not here."""
        with self._environment.read_buffers() as txn:
            view = txn.get(payload_id.binary, db=self._rows)
            if view is None:
                return None
            data = bytes(view[offset : offset + length])
            drop_pages(view)
            return data

    def size(self, payload_id: ObjectId) -> int:
        """How many bytes of a payload are here."""
        with self._environment.read_buffers() as txn:
            view = txn.get(payload_id.binary, db=self._rows)
            return 0 if view is None else len(view)

    def payloads(self) -> set[ObjectId]:
        """Every payload that is kept here."""
        with self._environment.read() as txn, txn.cursor(self._rows) as cursor:
            return {ObjectId(key) for key in cursor.iternext(values=False)}

    def delete(self, txn: WriteTransaction, payload_id: ObjectId) -> None:
        """Remove a payload, if it is here."""
        txn.delete(payload_id.binary, self._rows)
