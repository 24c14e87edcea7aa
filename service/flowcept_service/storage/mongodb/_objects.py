"""The object role: versions and their history, changed in one transaction with the event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from flowcept_service.domain.objects import (
    CommitResult,
    ObjectChange,
    ObjectVersion,
    Payload,
    Precondition,
    object_not_found,
    version_not_found,
)
from flowcept_service.domain.records import Collection
from flowcept_service.storage.documents import DATA_FIELD, decode_version
from flowcept_service.storage.mongodb._changes import Commit, CommitKnown, Delete, repeated
from flowcept_service.storage.mongodb._commit.writer import CommitWriter
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.raw import without_id
from flowcept_service.storage.mongodb._connection.schema import REQUESTS
from flowcept_service.storage.mongodb._payloads.role import MongodbPayloadStore

_NO_BYTES: Final = {DATA_FIELD: 0}
_VERSION_BYTES: Final = 4096
"""About what one version costs a commit, without bytes."""


class MongodbObjectStore:
    """Keeps ``storage.contract.ObjectStore``.

    Args:
        database: Where the versions are.
        writer: Commits changes.
        payloads: The bytes that versions refer to.
        new_id: Makes the names of payloads.
    """

    def __init__(
        self, database: Database, writer: CommitWriter, payloads: MongodbPayloadStore, new_id: Callable[[], ObjectId]
    ) -> None:
        self._database = database
        self._writer = writer
        self._payloads = payloads
        self._new_id = new_id

    def commit(self, change: ObjectChange) -> CommitResult:
        """See ``ObjectStore.commit``."""
        payload = change.payload
        size = _VERSION_BYTES
        if payload is not None:
            # Asked before its bytes, which may be gone by now, are looked for.
            first = self.committed(change.request_id) if change.request_id else None
            if first is not None:
                return repeated(change, first)
            self._payloads.check_held(payload)
            size += len(payload.inline or b"")
        result: CommitResult = self._writer.submit(Commit(change), size=size)
        return result

    def commit_known(self, change: ObjectChange, size: int, sha256: str) -> CommitResult | None:
        """See ``ObjectStore.commit_known``."""
        if change.save_data_in_collection:
            data = self._payloads.known_bytes(size, sha256)
            if data is not None:
                return self.commit(replace(change, payload=Payload(self._new_id(), size, sha256, inline=data)))
        result: CommitResult | None = self._writer.submit(CommitKnown(change, size, sha256), size=_VERSION_BYTES)
        return result

    def committed(self, request_id: str) -> ObjectVersion | None:
        """See ``ObjectStore.committed``."""
        with self._database.errors():
            row = self._database.collection(REQUESTS).find_one({"_id": request_id})
        return None if row is None else decode_version(row["document"])

    def get(self, object_id: str, version: int | None = None) -> ObjectVersion:
        """See ``ObjectStore.get``."""
        current = self._current(object_id)
        if version is None or version == current.version:
            return current
        kept: list[ObjectVersion] = []
        if 0 <= version < current.version:
            kept = self._kept({"object_id": object_id, "version": version}, 1)
        if not kept:
            raise version_not_found(object_id, version, current)
        return kept[0]

    def versions(self, object_id: str, below: int | None, limit: int) -> list[ObjectVersion]:
        """See ``ObjectStore.versions``."""
        current = self._current(object_id)
        result = [current] if below is None or current.version < below else []
        end = current.version if below is None else min(below, current.version)
        if len(result) < limit and end > 0:
            result += self._kept({"object_id": object_id, "version": {"$lt": end}}, limit - len(result))
        return result[:limit]

    def delete(self, object_id: str, precondition: Precondition, now: datetime) -> ObjectVersion:
        """See ``ObjectStore.delete``."""
        deleted: ObjectVersion = self._writer.submit(Delete(object_id, precondition, now), size=_VERSION_BYTES)
        return deleted

    def _current(self, object_id: str) -> ObjectVersion:
        wanted = {"object_id": object_id}
        with self._database.errors():
            found = list(self._database.documents(Collection.OBJECTS.value, wanted, projection=_NO_BYTES, limit=1))
        if not found:
            raise object_not_found(object_id)
        return decode_version(without_id(found[0]))

    def _kept(self, wanted: dict[str, Any], limit: int) -> list[ObjectVersion]:
        """Versions in the history, newest first."""
        with self._database.errors():
            found = self._database.documents(
                Collection.OBJECT_HISTORY.value, wanted, projection=_NO_BYTES, sort=[("version", -1)], limit=limit
            )
            return [decode_version(without_id(data)) for data in found]
