"""The roles of objects and payloads without a database: each call says what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NoReturn

from bson import ObjectId

from flowcept_service.domain.objects import CommitResult, ObjectChange, ObjectVersion, Payload, Precondition, Staging
from flowcept_service.storage.contract import Chunk
from flowcept_service.storage.memory._refusals import no_database


class NoObjectStore:
    """Refuses what ``storage.contract.ObjectStore`` offers, with PreconditionError (NO_DATABASE)."""

    def commit(self, change: ObjectChange) -> CommitResult:
        """Refused."""
        _refuse(change)

    def commit_known(self, change: ObjectChange, size: int, sha256: str) -> CommitResult | None:
        """Refused."""
        _refuse(change, size, sha256)

    def committed(self, request_id: str) -> ObjectVersion | None:
        """Refused."""
        _refuse(request_id)

    def get(self, object_id: str, version: int | None = None) -> ObjectVersion:
        """Refused."""
        _refuse(object_id, version)

    def versions(self, object_id: str, below: int | None, limit: int) -> list[ObjectVersion]:
        """Refused."""
        _refuse(object_id, below, limit)

    def delete(self, object_id: str, precondition: Precondition, now: datetime) -> ObjectVersion:
        """Refused."""
        _refuse(object_id, precondition, now)


class NoPayloadStore:
    """Refuses what ``storage.contract.PayloadStore`` offers, with PreconditionError (NO_DATABASE)."""

    def stage(
        self, upload_id: str, object_id: str, now: datetime, payload_id: ObjectId | None = None, owner: str = ""
    ) -> Staging:
        """Refused."""
        _refuse(upload_id, object_id, now, payload_id, owner)

    def append(self, staging: Staging, data: Sequence[Chunk], now: datetime) -> Staging:
        """Refused."""
        _refuse(staging, data, now)

    def appender(self, staging: Staging) -> NoReturn:
        """Refused."""
        _refuse(staging)

    def staged(self, upload_id: str) -> Staging | None:
        """Refused."""
        _refuse(upload_id)

    def staged_bytes(self, owner: str | None = None) -> int:
        """Refused."""
        _refuse(owner)

    def read_staged(self, staging: Staging, start: int = 0) -> Iterator[bytes]:
        """Refused."""
        _refuse(staging, start)

    def discard(self, upload_id: str) -> bool:
        """Refused."""
        _refuse(upload_id)

    def write(self, data: Sequence[Chunk], sha256: str, *, in_object: bool) -> Payload:
        """Refused."""
        _refuse(data, sha256, in_object)

    def read(self, version: ObjectVersion, offset: int, length: int, piece: int) -> Iterator[bytes]:
        """Refused."""
        _refuse(version, offset, length, piece)

    def pin(self, version: ObjectVersion) -> AbstractContextManager[None]:
        """Refused."""
        _refuse(version)


def _refuse(*_: object) -> NoReturn:
    raise no_database("blobs")
