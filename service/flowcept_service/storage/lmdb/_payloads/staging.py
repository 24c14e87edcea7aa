"""Rows that say what uploads have staged; they change in the transaction of the bytes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import bson

from flowcept_service.domain.objects import Staging
from flowcept_service.query import decode
from flowcept_service.storage.lmdb._environment.environment import Environment
from flowcept_service.storage.lmdb._environment.keys import text_key
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction

if TYPE_CHECKING:
    import lmdb


class StagingTable:
    """The uploads that are not committed yet.

    Args:
        environment: The environment of the bytes, with a table ``staging``.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._rows = environment.table("staging")

    def get(self, txn: lmdb.Transaction[bytes], upload_id: str) -> Staging | None:
        """What an upload has staged, or None."""
        data = txn.get(text_key(upload_id), db=self._rows)
        return None if data is None else decode_staging(data)

    def put(self, txn: WriteTransaction, staging: Staging) -> None:
        """Set what an upload has staged."""
        row = {
            "upload_id": staging.upload_id,
            "object_id": staging.object_id,
            "payload_id": staging.payload_id,
            "size": staging.size,
            "epoch": staging.epoch,
            "updated_at": staging.updated_at,
            "owner": staging.owner,
        }
        txn.put(text_key(staging.upload_id), bson.encode(row), self._rows)

    def delete(self, txn: WriteTransaction, upload_id: str) -> None:
        """Forget an upload."""
        txn.delete(text_key(upload_id), self._rows)

    def all(self) -> Iterator[Staging]:
        """Every upload, as of one moment. There are as many as clients have begun within the retention."""
        with self._environment.read() as txn, txn.cursor(self._rows) as cursor:
            rows = [value for _, value in cursor]
        return map(decode_staging, rows)


def decode_staging(data: bytes) -> Staging:
    """The staging that a row holds."""
    row = decode(data)
    updated_at: datetime = row["updated_at"]
    owner: str = row.get("owner", "")  # rows of older versions have none
    return Staging(row["upload_id"], row["object_id"], row["payload_id"], row["size"], row["epoch"], updated_at, owner)
