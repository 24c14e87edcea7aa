"""The payload role: bytes that are staged, sealed by a commit elsewhere, read back and removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bson import ObjectId

from flowcept.errors import shorten
from flowcept_service.domain.objects import ObjectVersion, Payload, Staging
from flowcept_service.storage.contract import Chunk
from flowcept_service.storage.mongodb._commit.unit import FILE_TABLE, UPLOAD_TABLE, Table, Unit
from flowcept_service.storage.mongodb._commit.writer import CommitWriter
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import CHUNK_BYTES, GARBAGE
from flowcept_service.storage.mongodb._payloads.appender import ChunkAppender
from flowcept_service.storage.mongodb._payloads.chunks import ChunkCollection, cut
from flowcept_service.storage.mongodb._payloads.reading import PayloadReader
from flowcept_service.storage.mongodb._payloads.references import put_garbage
from flowcept_service.storage.mongodb._payloads.staging import StagingRows, staging_of
from flowcept_service.storage.pins import Pins
from flowcept_service.storage.refusals import payload_corrupt, payload_gone, upload_busy

_TIME_BYTES: Final = 4
"""An ObjectId begins with seconds since 1970."""


class MongodbPayloadStore:
    """Keeps ``storage.contract.PayloadStore`` in GridFS, and small payloads in the documents of their objects.

    Args:
        database: Where the bytes are.
        writer: Commits what must not race with a version.
        pins: Which payloads are in use in this process.
        new_id: Makes the names of payloads.
        writers: Threads that insert chunks.
    """

    def __init__(
        self,
        database: Database,
        writer: CommitWriter,
        pins: Pins,
        new_id: Callable[[], ObjectId],
        writers: int,
    ) -> None:
        self._database = database
        self._writer = writer
        self._new_id = new_id
        self._rows = StagingRows(database)
        self.chunks = ChunkCollection(database, writers)
        self._reader = PayloadReader(database, self.chunks, pins)

    def stage(
        self, upload_id: str, object_id: str, now: datetime, payload_id: ObjectId | None = None, owner: str = ""
    ) -> Staging:
        """See ``PayloadStore.stage``."""
        if payload_id is None:
            # Named by the time, so that a sweep can tell how old unreferenced bytes are.
            seconds = int(now.timestamp()).to_bytes(_TIME_BYTES, "big")
            payload_id = ObjectId(seconds + self._new_id().binary[_TIME_BYTES:])
        with self._database.errors():
            return self._rows.take(upload_id, object_id, payload_id, now, owner)

    def append(self, staging: Staging, data: Sequence[Chunk], now: datetime) -> Staging:
        """See ``PayloadStore.append``."""
        appender = self.appender(staging)
        try:
            appender.append(data, now)
            return appender.settle()
        finally:
            appender.close()

    def appender(self, staging: Staging) -> ChunkAppender:
        """See ``PayloadStore.appender``."""
        return ChunkAppender(self._database, self._rows, self.chunks, staging)

    def staged(self, upload_id: str) -> Staging | None:
        """See ``PayloadStore.staged``."""
        with self._database.errors():
            row = self._rows.get(upload_id)
        return None if row is None else staging_of(row)

    def staged_bytes(self, owner: str | None = None) -> int:
        """See ``PayloadStore.staged_bytes``."""
        with self._database.errors():
            return self._rows.total(owner)

    def read_staged(self, staging: Staging, start: int = 0) -> Iterator[bytes]:
        """See ``PayloadStore.read_staged``."""
        done = start
        with self._database.errors():
            while done < staging.size:
                before = done
                for part in self.chunks.read(staging.payload_id, done, staging.size - done):
                    done += len(part)
                    yield bytes(part)
                row = self._rows.get(staging.upload_id) if done < staging.size else None
                if row is not None and done // CHUNK_BYTES == row["size"] // CHUNK_BYTES:
                    tail = bytes(row["tail"])[done % CHUNK_BYTES :][: staging.size - done]
                    done += len(tail)
                    if tail:
                        yield tail
                if done > before:
                    continue
                if row is None or row["payload_id"] != staging.payload_id:
                    raise upload_busy(staging)
                if not self._has_become_chunk(staging.payload_id, done):
                    raise payload_corrupt(f"what upload {shorten(staging.upload_id)} has staged", done)

    def _has_become_chunk(self, payload_id: ObjectId, offset: int) -> bool:
        """Whether a chunk holds an offset that was in the row just now: uploads grow while they are read."""
        return any(True for _ in self.chunks.read(payload_id, offset, 1))

    def discard(self, upload_id: str) -> bool:
        """See ``PayloadStore.discard``."""
        with self._database.errors():
            row = self._rows.get(upload_id)
        return row is not None and self.drop(row, None)

    def drop(self, row: dict[str, Any], before: datetime | None) -> bool:
        """Forget an upload, and remove its bytes unless a version refers to them; whether it was there.

        Args:
            row: The upload.
            before: Only if it did not grow since then.
        """
        if row["committed"]:
            with self._database.errors():
                return self._rows.forget_committed(row["_id"])
        dropped: bool = self._writer.submit(_Drop(row["payload_id"], before))
        if dropped:
            self.purge(row["payload_id"])
        return dropped

    def purge(self, payload_id: ObjectId) -> None:
        """Remove the bytes of a payload whose row among the garbage says so."""
        with self._database.errors():
            rows = self._database.collection(GARBAGE)
            if rows.find_one({"_id": payload_id, "removing": True}, {"_id": 1}) is not None:
                self.chunks.remove(payload_id)
                # The row stays for a while: a commit that was under way must learn that the bytes are gone.
                rows.update_one({"_id": payload_id}, {"$set": {"purged": True}})

    def write(self, data: Sequence[Chunk], sha256: str, *, in_object: bool) -> Payload:
        """See ``PayloadStore.write``."""
        payload_id = self._new_id()
        size = sum(map(len, data))
        if in_object:
            return Payload(payload_id, size, sha256, inline=b"".join(data))
        with self._database.errors():
            self.chunks.insert(payload_id, 0, cut(data))
        return Payload(payload_id, size, sha256)

    def check_held(self, payload: Payload) -> None:
        """Raise unless the bytes of a payload are here, or its upload has them.

        Raises:
            VersionConflictError: UPLOAD_BUSY.
        """
        if payload.inline is not None:
            return
        last = (payload.size - 1) // CHUNK_BYTES
        with self._database.errors():
            if self.chunks.last(payload.payload_id) != last and self._rows.of_payload(payload.payload_id) is None:
                raise payload_gone(payload.payload_id, payload.size)

    def known_bytes(self, size: int, sha256: str) -> bytes | None:
        """The bytes of some version of this size and digest, if they are here; they go into another document."""
        with self._database.errors():
            return self._reader.known_bytes(size, sha256)

    def read(self, version: ObjectVersion, offset: int, length: int, piece: int) -> Iterator[Chunk]:
        """See ``PayloadStore.read``."""
        with self._database.errors():
            yield from self._reader.read(version, offset, length, piece)

    def pin(self, version: ObjectVersion) -> AbstractContextManager[None]:
        """See ``PayloadStore.pin``."""
        return self._reader.pin(version)


@dataclass(frozen=True, slots=True)
class _Drop:
    """An upload that is to be forgotten, with its bytes unless a version refers to them."""

    payload_id: ObjectId
    before: datetime | None

    def wants(self) -> Sequence[tuple[Table, Sequence[Any]]]:
        return [(UPLOAD_TABLE, [self.payload_id]), (FILE_TABLE, [self.payload_id])]

    def apply(self, unit: Unit) -> bool:
        row = unit.get(UPLOAD_TABLE, self.payload_id)
        if row is None or (self.before is not None and row["updated_at"] >= self.before):
            return False
        unit.delete(UPLOAD_TABLE, self.payload_id)
        if unit.get(FILE_TABLE, self.payload_id) is None:
            put_garbage(unit, self.payload_id, {"since": unit.now, "removing": True})
        return True
