"""Bytes of versions on their way into a replica: verified, and the large ones staged, so that they can be resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final

import bson
import structlog
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from flowcept.errors import IntegrityError, NotFoundError, Reason, shorten
from flowcept_service.domain.objects import ObjectVersion, Payload
from flowcept_service.domain.replication import RowChange, StoredRow
from flowcept_service.replication.progress import DamagedPayload, Meter
from flowcept_service.storage.contract import Chunk
from flowcept_service.storage.documents import IN_OBJECT_FIELD, decode_version
from flowcept_service.storage.replica import ReplicableStorage

PIECE_BYTES: Final = 1 << 20
APPEND_BYTES: Final = 8 << 20
"""Bytes that one worker holds, and stages at once."""
INLINE_BYTES: Final = 32 << 20
"""Bytes that come with the versions of one transaction, but for a single larger version."""
WORKERS: Final = 4
"""Payloads on their way at one time."""

_log = structlog.get_logger(__name__)


class InterruptedCopyError(Exception):
    """The copy was asked to stop; what is staged stays for the next time."""


class PayloadCopier:
    """Brings the bytes of versions into a replica.

    Args:
        source: Where they are.
        target: Where they go.
        meter: Counts them.
        clock: The time, for staged uploads.
        is_stopping: Whether to give up.
    """

    def __init__(
        self,
        source: ReplicableStorage,
        target: ReplicableStorage,
        meter: Meter,
        clock: Callable[[], datetime],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._source = source
        self._target = target
        self._meter = meter
        self._clock = clock
        self._is_stopping = is_stopping
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="payload-copy")

    def close(self) -> None:
        """End the workers."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def as_held(self, row: StoredRow) -> StoredRow:
        """The document of a version as the replica is to have it; see ``document_as_held``."""
        return document_as_held(row, self._target)

    def groups(self, rows: Sequence[StoredRow]) -> Iterator[Sequence[StoredRow]]:
        """The documents of versions in groups, so that what comes inline stays within bounds; at least one group."""
        group: list[StoredRow] = []
        size = 0
        for row in rows:
            version = decode_version(row.data)
            inline = version.object_size_bytes if self._target.replica.comes_inline(version) else 0
            if group and size + inline > INLINE_BYTES:
                yield group
                group, size = [], 0
            group.append(row)
            size += inline
        yield group

    @contextmanager
    def brought(self, rows: Sequence[StoredRow]) -> Iterator[list[RowChange]]:
        """The changes that put versions into the replica, whose bytes are there by then.

        Args:
            rows: Documents of versions, ``as_held``.

        Raises:
            InterruptedCopyError: The copy is to stop.
        """
        staged: list[str] = []
        payloads = self._bring([decode_version(row.data) for row in rows], staged)
        yield [RowChange(row.key, row.data, payload) for row, payload in zip(rows, payloads, strict=True)]
        # After an error they stay, and the next attempt goes on with them.
        for upload_id in staged:
            self._target.payloads.discard(upload_id)

    def _bring(self, versions: Sequence[ObjectVersion], staged: list[str]) -> list[Payload | None]:
        """The payload of each version; None where the source does not have its bytes (any more)."""
        replica = self._target.replica
        held = replica.held({version.payload_id for version in versions if version.payload_id is not None})
        copies: dict[object, Future[Payload | None]] = {}
        places: list[object] = []
        for place, version in enumerate(versions):
            payload_id = version.payload_id
            in_document = replica.keeps_bytes_in_documents and version.save_data_in_collection
            key: object = place if in_document or payload_id is None else payload_id
            places.append(key)
            if key in copies or (key in held and not in_document):
                continue
            if in_document or (payload_id is not None and replica.comes_inline(version)):
                copies[key] = self._pool.submit(self._inline, version)
            elif payload_id is not None:
                copies[key] = self._pool.submit(self._stage, version, payload_id)
                staged.append(_upload_id(payload_id))
        # All of them, before the first error is raised: no worker may outlive the attempt that it belongs to.
        wait(copies.values())
        return [
            copies[key].result() if key in copies else _held_payload(version)
            for key, version in zip(places, versions, strict=True)
        ]

    def _stage(self, version: ObjectVersion, payload_id: ObjectId) -> Payload | None:
        """Stage the bytes of a version, or the rest of them."""
        target = self._target.payloads
        upload_id = _upload_id(payload_id)

        def copy() -> Payload:
            staging = target.stage(upload_id, upload_id, self._clock(), payload_id)
            digest = hashlib.sha256()
            for piece in target.read_staged(staging):
                digest.update(piece)
            for data in self._read(version, staging.size):
                for part in data:
                    digest.update(part)
                staging = target.append(staging, data, self._clock())
                self._meter.copied(sum(map(len, data)))
            _verify(version, digest.hexdigest())
            return Payload(payload_id, staging.size, digest.hexdigest())

        copied = self._attempt(version, copy)
        if copied is None:
            target.discard(upload_id)
        return copied

    def _inline(self, version: ObjectVersion) -> Payload | None:
        """The bytes of a version, to come with it."""

        def copy() -> Payload:
            data = b"".join(piece for pieces in self._read(version, 0) for piece in pieces)
            sha256 = hashlib.sha256(data).hexdigest()
            _verify(version, sha256)
            self._meter.copied(len(data))
            return Payload(version.payload_id or ObjectId(), len(data), sha256, inline=data)

        return self._attempt(version, copy)

    def _attempt(self, version: ObjectVersion, copy: Callable[[], Payload]) -> Payload | None:
        try:
            with self._source.payloads.pin(version):
                payload = copy()
        except NotFoundError:
            return None  # overwritten since: an event that follows tells of it
        except IntegrityError as error:
            if error.reason not in {Reason.PAYLOAD_CORRUPT, Reason.DIGEST_MISMATCH}:
                raise
            _log.error("a payload cannot be copied", object_id=version.object_id, version=version.version)
            self._meter.found_damaged(DamagedPayload(version.object_id, version.version, error.message))
            return None
        self._meter.completed_payload()
        return payload

    def _read(self, version: ObjectVersion, start: int) -> Iterator[list[Chunk]]:
        """The bytes of a version from an offset on, in lists of about ``APPEND_BYTES``."""
        if start >= version.object_size_bytes:
            return
        gathered: list[Chunk] = []
        size = 0
        for piece in self._source.payloads.read(version, start, version.object_size_bytes - start, PIECE_BYTES):
            if self._is_stopping():
                raise InterruptedCopyError
            gathered.append(piece)
            size += len(piece)
            if size >= APPEND_BYTES:
                yield gathered
                gathered, size = [], 0
        if gathered:
            yield gathered


def document_as_held(row: StoredRow, target: ReplicableStorage) -> StoredRow:
    """The document of a version as a replica is to have it.

    Another writer's document may hold its bytes without naming them; a replica that keeps bytes elsewhere needs a name.
    It follows from the object and the digest, so that every version with the same bytes gets the same.
    """
    if target.replica.keeps_bytes_in_documents:
        return row
    version = decode_version(row.data)
    if version.payload_id is not None or not version.object_size_bytes:
        return row
    origin = f"{version.object_id}\0{version.data_sha256 or version.version}"
    named = ObjectId(hashlib.sha256(origin.encode()).digest()[:12])
    return replace(row, data=bson.encode({**RawBSONDocument(row.data), IN_OBJECT_FIELD: named}))


def _held_payload(version: ObjectVersion) -> Payload | None:
    if version.payload_id is None:
        return None
    return Payload(version.payload_id, version.object_size_bytes, version.data_sha256)


def _upload_id(payload_id: ObjectId) -> str:
    return f"copy of payload {payload_id}"


def _verify(version: ObjectVersion, sha256: str) -> None:
    if version.data_sha256 and sha256 != version.data_sha256:
        raise IntegrityError(
            f"the bytes of version {version.version} of object {shorten(version.object_id)} have SHA-256 {sha256}, and "
            f"{version.data_sha256} was recorded for them",
            reason=Reason.DIGEST_MISMATCH,
            object_id=version.object_id,
            version=version.version,
        )
