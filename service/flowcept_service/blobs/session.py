"""One upload, from its header to its commit: a state machine over the parts of the stream. Knows no gRPC."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime

import structlog

from flowcept.errors import FlowceptError, InvalidArgumentError, Reason
from flowcept_service.blobs.buffer import ChunkBuffer
from flowcept_service.blobs.checks import (
    check_commit,
    check_digest_promise,
    check_in_object,
    check_offset,
    check_size_promise,
    check_upload_size,
)
from flowcept_service.blobs.digest import ArrivingDigest, ResumedDigest, StagedDigest, sha256_of
from flowcept_service.blobs.parts import UploadChunk, UploadCommit, UploadHeader, UploadPart, UploadResult
from flowcept_service.blobs.quotas import BlobQuotas
from flowcept_service.blobs.settings import BlobSettings
from flowcept_service.domain.objects import CommitResult, ObjectChange, Payload, Staging
from flowcept_service.storage.appending import Appender
from flowcept_service.storage.contract import ObjectStore, PayloadStore

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every upload of a service works with."""

    objects: ObjectStore
    """Where versions are committed."""
    payloads: PayloadStore
    """Where bytes are staged."""
    executor: Executor
    """Runs the hashing: one thread for each upload at the same time."""
    settings: BlobSettings
    """Sizes and bounds."""
    quotas: BlobQuotas
    """What uploads take from."""
    now: Callable[[], datetime]
    """The clock."""
    check_allowed: Callable[[str, str | None], None]
    """Refuses, before the bytes, an object (empty: a new one) or a campaign (None: not given) that the caller may not
    write to."""
    caller: Callable[[], str]
    """Name of the principal of the call under way, whose quota an upload takes from."""


class UploadSession:
    """Takes the parts behind the header, then commits.

    Received bytes wait in memory until they make a batch, which is then staged durably. A payload that is complete
    before its first batch is full is never staged, but written in one step.

    Args:
        header: The checked header, its ``object_id`` filled in.
        staging: What earlier calls have staged, taken over; None when there is nothing.
        surroundings: What the session works with.
    """

    def __init__(self, header: UploadHeader, staging: Staging | None, surroundings: Surroundings) -> None:
        self._header = header
        self._owner = surroundings.caller() if staging is None else staging.owner
        self._quotas = surroundings.quotas
        self._objects = surroundings.objects
        self._payloads = surroundings.payloads
        self._executor = surroundings.executor
        self._settings = surroundings.settings
        self._now = surroundings.now
        self._appender = None if staging is None else self._payloads.appender(staging)
        self._buffer = ChunkBuffer()
        self._received = 0 if staging is None else staging.size
        self._promise: UploadCommit | None = None
        self._store_failed = False
        self._digest: StagedDigest | None = None
        if staging is not None and not header.save_data_in_collection:
            self._digest = ResumedDigest(self._executor, self._payloads.read_staged, staging)

    def accept(self, part: UploadPart) -> None:
        """Take the next part.

        Raises:
            InvalidArgumentError: UPLOAD_HEADER_REPEATED, UPLOAD_AFTER_COMMIT, PAYLOAD_TOO_LARGE_FOR_OBJECT,
                UPLOAD_TOO_LARGE, INVALID_FIELD.
            ResourceExhaustedError: QUOTA_EXCEEDED.
            OutOfRangeError: UPLOAD_OFFSET_MISMATCH.
            IntegrityError: SIZE_MISMATCH, as soon as there is more than the header promised.
        """
        if isinstance(part, UploadHeader):
            raise InvalidArgumentError(
                "the upload has a second header; send the header once, in the first message",
                reason=Reason.UPLOAD_HEADER_REPEATED,
            )
        if self._promise is not None:
            raise InvalidArgumentError(
                "something follows the commit of the upload; end the stream with the commit",
                reason=Reason.UPLOAD_AFTER_COMMIT,
            )
        if isinstance(part, UploadCommit):
            check_commit(part)
            self._promise = part
        else:
            self._take(part)

    def commit(self) -> UploadResult:
        """Make the version, now that the stream has ended.

        Raises:
            InvalidArgumentError: UPLOAD_NOT_COMMITTED, when the client promised nothing.
            IntegrityError: SIZE_MISMATCH, DIGEST_MISMATCH.
            AlreadyExistsError, VersionConflictError: the precondition does not hold; what is staged is kept.
        """
        promise = self._promise
        if promise is None:
            self.keep()
            raise InvalidArgumentError(
                f"the stream ended without a commit; nothing was published, and {self._received} bytes are kept: send "
                "the rest and the commit under the same upload_id",
                reason=Reason.UPLOAD_NOT_COMMITTED,
                staged_bytes=self._received,
            )
        header = self._header
        check_size_promise(promise.object_size_bytes, self._received)
        if header.object_size_bytes is not None:
            check_size_promise(header.object_size_bytes, self._received)
        if header.data_sha256 is not None:
            check_digest_promise(header.data_sha256, promise.data_sha256)
        result = self._publish(self._seal(promise.data_sha256))
        if self._appender is not None:
            self._forget()
        return UploadResult(result.object, repeated=result.repeated)

    @property
    def received(self) -> int:
        """Bytes of the payload so far."""
        return self._received

    def keep(self) -> int:
        """After a stream that broke off: stage what has arrived, so that resuming starts late; how much is staged."""
        if not self._store_failed:
            self._flush()
        return 0 if self._appender is None else self._settle(self._appender).size

    def drop(self) -> None:
        """After bytes that are not what was promised: forget all of them."""
        self._buffer.take()
        if self._appender is not None:
            self._appender.close()
            self._payloads.discard(self._header.upload_id)

    def close(self) -> None:
        """Let go of everything in memory."""
        self._buffer.take()
        if self._appender is not None:
            self._appender.close()
        if self._digest is not None:
            self._digest.close()

    def _take(self, chunk: UploadChunk) -> None:
        check_offset(chunk.offset, self._received)
        size = len(chunk.data)
        received = self._received + size
        header = self._header
        check_upload_size(received, self._settings.upload_bytes)
        if header.save_data_in_collection:
            check_in_object(received, self._settings.in_object_bytes)
        if header.object_size_bytes is not None and received > header.object_size_bytes:
            check_size_promise(header.object_size_bytes, received)
        self._buffer.append(chunk.data)
        self._received = received
        # What goes into a document is needed in one piece at the commit, and is bounded by its own limit.
        if self._buffer.size >= self._settings.batch_bytes and not header.save_data_in_collection:
            self._flush()

    def _flush(self) -> None:
        """Stage what is in memory."""
        if not self._buffer.size:
            return
        before = self._received - self._buffer.size
        batch = self._buffer.take()
        try:
            appender = self._appender = self._appender or self._begin_staging()
            check_offset(before, appender.size)
            self._quotas.stage(self._owner, self._received - before)
            if self._digest is not None:
                self._digest.add(batch)
            appender.append(batch, self._now())
        except BaseException:
            # Nothing more can follow what was not staged.
            self._store_failed = True
            raise
        if self._digest is not None:
            self._digest.reached(appender.staging)

    def _begin_staging(self) -> Appender:
        if not self._header.save_data_in_collection:
            self._digest = ArrivingDigest(self._executor)
        staging = self._payloads.stage(self._header.upload_id, self._header.object_id, self._now(), owner=self._owner)
        return self._payloads.appender(staging)

    def _settle(self, appender: Appender) -> Staging:
        """What is staged, once everything that was taken is; after a failure, what was staged before it."""
        if self._store_failed:
            return appender.staging
        try:
            return appender.settle()
        except BaseException:
            self._store_failed = True
            raise

    def _seal(self, promised: str) -> Payload:
        """Make the bytes durable as one payload, and check their digest."""
        if self._appender is None or self._digest is None:
            return self._write(promised)
        self._flush()
        staging = self._settle(self._appender)
        self._digest.reached(staging)
        digest = self._digest.result()
        check_digest_promise(promised, digest)
        return Payload(staging.payload_id, staging.size, digest)

    def _write(self, promised: str) -> Payload:
        """The payload in one step, from memory (and from what was staged of a payload that goes into a document)."""
        staged = [] if self._appender is None else list(self._payloads.read_staged(self._appender.staging))
        data = [*staged, *self._buffer.take()]
        digest = sha256_of(data)
        check_digest_promise(promised, digest)
        return self._payloads.write(data, digest, in_object=self._header.save_data_in_collection)

    def _publish(self, payload: Payload) -> CommitResult:
        return self._objects.commit(change_of(self._header, payload, self._now()))

    def _forget(self) -> None:
        """Drop what is left of the staging; it is committed, so a failure here must not become the caller's."""
        try:
            self._payloads.discard(self._header.upload_id)
        except FlowceptError as error:
            _log.warning("staging is left to the janitor", upload_id=self._header.upload_id, reason=error.reason)


def change_of(header: UploadHeader, payload: Payload | None, now: datetime) -> ObjectChange:
    """The change that an upload asks for."""
    return ObjectChange(
        object_id=header.object_id,
        fields=header.fields,
        control_version=header.control_version,
        request_id=header.upload_id,
        now=now,
        author=header.author,
        precondition=header.precondition,
        payload=payload,
        save_data_in_collection=header.save_data_in_collection,
        pickle=header.pickle,
    )
