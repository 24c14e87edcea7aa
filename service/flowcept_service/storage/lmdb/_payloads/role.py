"""The payload role: bytes that are staged, sealed by a commit elsewhere, read back and removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from bson import ObjectId

from flowcept.errors import IntegrityError, NotFoundError, shorten
from flowcept_service.domain.objects import ObjectVersion, Payload, Staging
from flowcept_service.storage.appending import Appender, StepwiseAppender
from flowcept_service.storage.lmdb._environment.environment import Environment, TableKind
from flowcept_service.storage.lmdb._environment.errors import free_bytes, storage_full
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._environment.writer import GroupWriter
from flowcept_service.storage.lmdb._payloads.chunks import CHUNK_BYTES, ChunkTable
from flowcept_service.storage.lmdb._payloads.references import PayloadReferences
from flowcept_service.storage.lmdb._payloads.small import SMALL_BYTES
from flowcept_service.storage.lmdb._payloads.staging import StagingTable
from flowcept_service.storage.pins import Pins
from flowcept_service.storage.refusals import (
    payload_corrupt,
    payload_gone,
    upload_busy,
    upload_of_another_object,
    version_overwritten,
)

PAYLOAD_TABLES: Final = {"chunks": TableKind(), "staging": TableKind()}
_TIME_BYTES: Final = 4
"""An ObjectId begins with seconds since 1970."""


class LmdbPayloadStore:
    """Keeps ``storage.contract.PayloadStore`` in an environment of its own, so that bulk bytes delay no small commit.

    Args:
        environment: The environment of the bytes, with ``PAYLOAD_TABLES``.
        writer: Its writer.
        references: Which payloads the versions refer to.
        pins: Which payloads are in use.
        new_id: Makes the names of payloads.
        reserve_bytes: Disk space to leave free.
    """

    def __init__(
        self,
        *,
        environment: Environment,
        writer: GroupWriter,
        references: PayloadReferences,
        pins: Pins,
        new_id: Callable[[], ObjectId],
        reserve_bytes: int,
    ) -> None:
        self._environment = environment
        self._writer = writer
        self._references = references
        self._pins = pins
        self._new_id = new_id
        self._reserve_bytes = reserve_bytes
        self.chunks = ChunkTable(environment)
        self.stagings = StagingTable(environment)

    def stage(
        self, upload_id: str, object_id: str, now: datetime, payload_id: ObjectId | None = None, owner: str = ""
    ) -> Staging:
        """See ``PayloadStore.stage``."""
        fresh = payload_id or self._name(now)

        def operation(txn: WriteTransaction) -> Staging:
            known = self.stagings.get(txn.reader, upload_id)
            if known is None:
                staging = Staging(upload_id, object_id, fresh, 0, 1, now, owner)
            elif known.object_id != object_id:
                raise upload_of_another_object(known, object_id)
            else:
                staging = replace(known, epoch=known.epoch + 1, updated_at=now)
            self.stagings.put(txn, staging)
            return staging

        return self._writer.submit(operation)

    def _name(self, now: datetime) -> ObjectId:
        return ObjectId(int(now.timestamp()).to_bytes(_TIME_BYTES, "big") + self._new_id().binary[_TIME_BYTES:])

    def append(self, staging: Staging, data: Sequence[bytes | memoryview], now: datetime) -> Staging:
        """See ``PayloadStore.append``."""
        size = sum(map(len, data))
        self._check_room(size)

        def operation(txn: WriteTransaction) -> Staging:
            known = self.stagings.get(txn.reader, staging.upload_id)
            if known is None or (known.epoch, known.size) != (staging.epoch, staging.size):
                raise upload_busy(staging)
            end = self.chunks.append(txn, staging.payload_id, staging.size, data)
            grown = replace(staging, size=end, updated_at=now)
            self.stagings.put(txn, grown)
            return grown

        grown = self._writer.submit(operation, size=size)
        self._environment.drop_pages()
        return grown

    def appender(self, staging: Staging) -> Appender:
        """See ``PayloadStore.appender``."""
        return StepwiseAppender(self.append, staging)

    def staged(self, upload_id: str) -> Staging | None:
        """See ``PayloadStore.staged``."""
        with self._environment.read() as txn:
            return self.stagings.get(txn, upload_id)

    def staged_bytes(self, owner: str | None = None) -> int:
        """See ``PayloadStore.staged_bytes``."""
        return sum(staging.size for staging in self.stagings.all() if owner in (None, staging.owner))

    def read_staged(self, staging: Staging, start: int = 0) -> Iterator[bytes]:
        """See ``PayloadStore.read_staged``."""
        done = start
        for part in self.chunks.read(staging.payload_id, start, staging.size - start, CHUNK_BYTES):
            done += len(part)
            yield part
        if done >= staging.size:
            return
        known = self.staged(staging.upload_id)
        if known is None or known.payload_id != staging.payload_id:
            raise upload_busy(staging)
        raise payload_corrupt(f"what upload {shorten(staging.upload_id)} has staged", done)

    def discard(self, upload_id: str) -> bool:
        """See ``PayloadStore.discard``."""
        return self._drop(upload_id, lambda known: True)

    def expire(self, upload_id: str, before: datetime) -> bool:
        """``discard`` an upload that nothing was staged for since a time; whether it went."""
        return self._drop(upload_id, lambda known: known.updated_at < before)

    def _drop(self, upload_id: str, unwanted: Callable[[Staging], bool]) -> bool:
        def operation(txn: WriteTransaction) -> Staging | None:
            known = self.stagings.get(txn.reader, upload_id)
            if known is None or not unwanted(known):
                return None
            self.stagings.delete(txn, upload_id)
            return known

        dropped = self._writer.submit(operation)
        if dropped is None:
            return False
        self.remove([dropped.payload_id])
        return True

    def write(self, data: Sequence[bytes | memoryview], sha256: str, *, in_object: bool) -> Payload:
        """See ``PayloadStore.write``. What is small travels with its commit; documents never hold bytes here."""
        del in_object
        size = sum(map(len, data))
        self._check_room(size)
        payload_id = self._new_id()
        if size <= SMALL_BYTES:
            return Payload(payload_id, size, sha256, inline=b"".join(data))
        self._writer.submit(lambda txn: self.chunks.append(txn, payload_id, 0, data), size=size)
        return Payload(payload_id, size, sha256)

    def read(self, version: ObjectVersion, offset: int, length: int, piece: int) -> Iterator[bytes]:
        """See ``PayloadStore.read``."""
        end = offset + length
        if version.payload_id is not None:
            small = None
            if version.object_size_bytes <= SMALL_BYTES:
                small = self._references.small.read(version.payload_id, offset, length)
            if small is not None:
                yield from (small[at : at + piece] for at in range(0, len(small), piece))
                offset += len(small)
            for part in self.chunks.read(version.payload_id, offset, end - offset, piece):
                offset += len(part)
                yield part
        if offset < end:
            raise self._missing(version, offset)

    def pin(self, version: ObjectVersion) -> AbstractContextManager[None]:
        """See ``PayloadStore.pin``."""
        return nullcontext() if version.payload_id is None else self._pins.hold(version.payload_id)

    @contextmanager
    def committing(self, payload: Payload) -> Iterator[None]:
        """Around the commit of a version that refers to staged bytes: nobody removes them.

        Raises:
            VersionConflictError: UPLOAD_BUSY, when they are gone already.
        """
        with self._pins.hold(payload.payload_id):
            if self.chunks.size(payload.payload_id) != payload.size:
                raise payload_gone(payload.payload_id, payload.size)
            yield

    def remove(self, payload_ids: Sequence[ObjectId]) -> tuple[list[ObjectId], int]:
        """Remove the bytes of those payloads that nobody uses or refers to: which ones, and how many bytes."""
        removed_bytes = 0
        # Asked twice: most payloads are referred to and need no claim; one may have been committed before the claim.
        candidates = self._unreferenced(payload_ids)
        with self._pins.claim(candidates) as claimed:
            removed = self._unreferenced(claimed)
            for payload_id in removed:
                removed_bytes += self.chunks.size(payload_id) + self._references.small.size(payload_id)
                while self._writer.submit(partial(self.chunks.delete_some, payload_id=payload_id)):
                    self._environment.drop_pages()
        return removed, removed_bytes

    def _unreferenced(self, payload_ids: Sequence[ObjectId]) -> list[ObjectId]:
        referenced = self._references.referenced(payload_ids) if payload_ids else set()
        return [payload_id for payload_id in payload_ids if payload_id not in referenced]

    def _missing(self, version: ObjectVersion, offset: int) -> NotFoundError | IntegrityError:
        """The error for bytes of a version that are not there: overwritten before its reader held it, or lost."""
        if version.payload_id is None or self._references.referenced([version.payload_id]):
            return payload_corrupt(f"version {version.version} of object {shorten(version.object_id)}", offset)
        return version_overwritten(version)

    def _check_room(self, size: int) -> None:
        """Refuse bytes that would take what is reserved; what deletions have freed inside of the file counts as room.

        Twice the size, because bytes need consecutive pages and find gaps before, between and behind others.
        """
        if free_bytes(self._environment.directory) >= size + self._reserve_bytes:
            return
        if self._environment.reusable_bytes() < 2 * size:
            raise storage_full(self._environment.directory)
