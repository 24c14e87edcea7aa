"""The rows of uploads, which say what is staged; replicas share them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import Binary, ObjectId
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from flowcept_service.domain.objects import Staging
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import UPLOADS
from flowcept_service.storage.refusals import upload_busy, upload_of_another_object


class StagingRows:
    """The uploads that were not discarded yet. Errors are translated by the caller.

    A row holds the bytes behind the last full chunk: so a chunk is written once, and every offset can be resumed from.

    Args:
        database: Where the rows are.
    """

    def __init__(self, database: Database) -> None:
        self._rows = database.collection(UPLOADS)

    def take(self, upload_id: str, object_id: str, payload_id: ObjectId, now: datetime, owner: str) -> Staging:
        """Begin an upload under a new payload, or take it over.

        Raises:
            InvalidArgumentError: UPLOAD_HEADER_CHANGED.
        """
        while True:
            known = self._rows.find_one_and_update(
                {"_id": upload_id, "object_id": object_id},
                {"$inc": {"epoch": 1}, "$set": {"updated_at": now}},
                return_document=ReturnDocument.AFTER,
            )
            if known is not None:
                return staging_of(known)
            row = {
                "_id": upload_id,
                "object_id": object_id,
                "payload_id": payload_id,
                "size": 0,
                "epoch": 1,
                "updated_at": now,
                "owner": owner,
                "tail": b"",
                "committed": False,
            }
            try:
                self._rows.insert_one(row)
            except DuplicateKeyError:
                other = self.get(upload_id)
                if other is not None and other["object_id"] != object_id:
                    raise upload_of_another_object(staging_of(other), object_id) from None
            else:
                return staging_of(row)

    def get(self, upload_id: str) -> dict[str, Any] | None:
        """The row of an upload, or None."""
        return self._rows.find_one({"_id": upload_id})

    def of_payload(self, payload_id: ObjectId) -> dict[str, Any] | None:
        """The row of the upload that stages a payload, or None."""
        return self._rows.find_one({"payload_id": payload_id}, {"tail": 0})

    def tail(self, staging: Staging) -> bytes:
        """The bytes behind the last full chunk.

        Raises:
            VersionConflictError: UPLOAD_BUSY, unless the upload is as ``staging`` says.
        """
        row = self._rows.find_one(_exactly(staging), {"tail": 1})
        if row is None:
            raise upload_busy(staging)
        return bytes(row["tail"])

    def grow(self, staging: Staging, grown: Staging, tail: bytes, session: ClientSession | None = None) -> None:
        """Note that an upload has grown.

        Raises:
            VersionConflictError: UPLOAD_BUSY, unless the upload is as ``staging`` says.
        """
        change = {"$set": {"size": grown.size, "tail": Binary(tail), "updated_at": grown.updated_at}}
        if not self._rows.update_one(_exactly(staging), change, session=session).matched_count:
            raise upload_busy(staging)

    def total(self, owner: str | None) -> int:
        """The bytes of all uploads that were not committed, or of those of one owner."""
        wanted: dict[str, Any] = {"committed": False} if owner is None else {"committed": False, "owner": owner}
        group = {"_id": None, "size": {"$sum": "$size"}}
        return sum(row["size"] for row in self._rows.aggregate([{"$match": wanted}, {"$group": group}]))

    def forget_committed(self, upload_id: str) -> bool:
        """Remove the row of an upload if its bytes belong to a version; whether it was there."""
        return bool(self._rows.delete_one({"_id": upload_id, "committed": True}).deleted_count)

    def older_than(self, before: datetime) -> list[dict[str, Any]]:
        """The rows that did not grow since a time."""
        return list(self._rows.find({"updated_at": {"$lt": before}}, {"tail": 0}))


def staging_of(row: Mapping[str, Any]) -> Staging:
    """What a row says."""
    owner: str = row.get("owner", "")  # rows of older versions have none
    return Staging(row["_id"], row["object_id"], row["payload_id"], row["size"], row["epoch"], row["updated_at"], owner)


def _exactly(staging: Staging) -> dict[str, Any]:
    return {
        "_id": staging.upload_id,
        "payload_id": staging.payload_id,
        "epoch": staging.epoch,
        "size": staging.size,
        "committed": False,
    }
