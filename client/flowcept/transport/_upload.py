"""Uploading one payload, however often the connection breaks."""

from __future__ import annotations

from collections.abc import Callable

from flowcept.errors import (
    CancelledError,
    FlowceptError,
    IntegrityError,
    InvalidArgumentError,
    OutOfRangeError,
    Reason,
    UnavailableError,
    VersionConflictError,
)
from flowcept.transport._connection import Connection
from flowcept.transport._digest import Digest
from flowcept.transport._memory import keep_freed_memory
from flowcept.transport._requests import LocalFailureError, UploadRequests
from flowcept.transport._retry import Patience, is_transient
from flowcept.transport._source import PayloadSource
from flowcept.v1 import blob_store_service_pb2 as pb

Progress = Callable[[int, int | None], object]
"""Called with the bytes transferred so far and the total, None where that is not known. Called from another thread."""

WHOLE_BYTES = 2 << 20
"""A payload up to this size travels in one message."""


def upload(
    connection: Connection,
    header: pb.UploadHeader,
    source: PayloadSource,
    *,
    progress: Progress | None = None,
    begun: bool = False,
    reuse_known: bool = False,
) -> pb.UploadResponse:
    """Upload a payload and commit it as a version.

    Broken connections are resumed where the service left off, with growing waits, until nothing moved for
    ``settings.idle_timeout`` seconds. The digest is computed while sending, promised in the commit, and compared with
    the answer.

    Args:
        connection: The connection to use.
        header: What to upload; ``upload_id`` is set.
        source: The bytes; not closed.
        progress: Told about each piece.
        begun: An earlier process may have begun, or finished, the upload of this ``upload_id``.
        reuse_known: Compute the digest first, so that content which the service already holds is not sent.

    Raises:
        FlowceptError: As ``BlobStore.Upload`` documents; UnavailableError or DeadlineError when the service stays away.
        UploadNotResumableError: The connection broke, and the source can neither be read again nor continued.
        IntegrityError: What the service stored is not what was sent.
    """
    with Digest() as digest:
        return _Upload(connection, header, source, digest, progress).run(begun=begun, reuse_known=reuse_known)


class _Upload:
    def __init__(
        self,
        connection: Connection,
        header: pb.UploadHeader,
        source: PayloadSource,
        digest: Digest,
        progress: Progress | None,
    ) -> None:
        self._connection = connection
        self._header = header
        self._source = source
        self._digest = digest
        self._progress = progress
        settings = connection.settings
        self._patience = Patience(settings.retry, settings.idle_timeout, connection.timing)
        self._staged = 0
        self._requests: UploadRequests | None = None
        if source.size is not None:
            header.object_size_bytes = source.size

    def run(self, *, begun: bool, reuse_known: bool) -> pb.UploadResponse:
        if reuse_known:
            self._promise_digest()
        must_ask = begun
        while True:
            try:
                if must_ask and (done := self._ask()) is not None:
                    return self._verified(done)
                must_ask = False
                return self._verified(self._attempt())
            except LocalFailureError as failure:
                # The source, the digest or the progress callback: another attempt would not help.
                raise failure.cause from None
            except FlowceptError as error:
                self._recover(error)
                must_ask = True

    def _promise_digest(self) -> None:
        size = self._source.size
        if not self._source.repeatable or size is None:
            raise InvalidArgumentError(
                "reuse_known needs an object that can be read twice: bytes, a path or a seekable file",
                field="reuse_known",
            )
        self._catch_up(size)
        self._header.data_sha256 = self._digest.hexdigest()

    def _recover(self, error: FlowceptError) -> None:
        """Wait before the next attempt, or raise what ends the upload."""
        if isinstance(error, OutOfRangeError) and error.reason is Reason.UPLOAD_OFFSET_MISMATCH:
            # Another stream of this upload moved on meanwhile; it counts as trouble, so that it cannot go on for ever.
            self._patience.reached()
        elif isinstance(error, VersionConflictError) and error.reason is Reason.UPLOAD_BUSY:
            self._check_finished_by_another(error)
        elif not is_transient(error):
            raise error
        self._patience.wait(error)

    def _check_finished_by_another(self, busy: FlowceptError) -> None:
        """Another process uploads under the same identifier: fine if it has finished, else only one can."""
        if not self._state().HasField("object"):
            raise busy

    def _ask(self) -> pb.UploadResponse | None:
        """Find out how much is staged; the result, if the upload was committed."""
        state = self._state()
        self._patience.reached()
        if state.HasField("object"):
            return pb.UploadResponse(object=state.object, repeated=True)
        if state.staged_bytes > self._staged:
            self._patience.progressed()
        self._staged = state.staged_bytes
        return None

    def _attempt(self) -> pb.UploadResponse:
        size = self._source.size
        if size is not None and size <= WHOLE_BYTES and self._staged == 0:
            return self._send_whole(size)
        if size is not None and self._staged > size:
            raise IntegrityError(
                f"upload {self._header.upload_id!r} has {self._staged} bytes staged, more than this payload's {size}; "
                "use another upload_id for another payload",
                reason=Reason.SIZE_MISMATCH,
            )
        if self._requests is not None:
            self._requests.wait()
        self._catch_up(self._staged)
        keep_freed_memory()
        requests = self._requests = UploadRequests(
            header=self._header,
            source=self._source,
            offset=self._staged,
            digest=self._digest,
            report=self._report,
            confirm=self._confirm,
            clock=self._connection.timing.clock,
        )
        try:
            return self._connection.send(lambda stubs: stubs.upload, requests, requests.idle_since)
        except FlowceptError as error:
            requests.raise_failure()
            if isinstance(error, CancelledError):
                raise UnavailableError(f"the service ended the stream: {error}") from None
            raise
        finally:
            requests.detach()

    def _send_whole(self, size: int) -> pb.UploadResponse:
        data = b"".join(self._source.pieces(0, self._confirm))
        self._digest.update(0, data)
        request = pb.UploadRequest(
            header=self._header,
            chunk=pb.UploadChunk(data=data) if size else None,
            commit=pb.UploadCommit(object_size_bytes=size, data_sha256=self._digest.hexdigest()),
        )
        response = self._connection.call(lambda stubs: stubs.upload_whole, request)
        self._report(size)
        return response

    def _catch_up(self, offset: int) -> None:
        """Hash what comes before ``offset`` without sending it."""
        if self._digest.position >= offset:
            return
        position = self._digest.position
        for piece in self._source.pieces(position, self._confirm):
            self._digest.update(position, piece)
            position += len(piece)
            if position >= offset:
                return

    def _confirm(self) -> int:
        return self._state().staged_bytes

    def _state(self) -> pb.GetUploadResponse:
        request = pb.GetUploadRequest(upload_id=self._header.upload_id)
        return self._connection.call(lambda stubs: stubs.blobs.GetUpload, request)

    def _report(self, position: int) -> None:
        # gRPC takes another message once the last one is on its way, so there is somebody at the other end.
        self._patience.reached()
        if self._progress is not None:
            self._progress(position, self._source.size)

    def _verified(self, response: pb.UploadResponse) -> pb.UploadResponse:
        """The response, if it speaks of the bytes that were sent."""
        stored = response.object
        if response.repeated and self._digest.position < stored.object_size_bytes and not self._source.repeatable:
            return response  # an earlier process sent them, and these cannot be read to compare
        if response.repeated:
            self._catch_up(stored.object_size_bytes)
        expected_size = self._digest.position if self._source.size is None else self._source.size
        digest = self._digest.hexdigest()
        if stored.object_size_bytes != expected_size or stored.data_sha256 != digest:
            raise IntegrityError(
                f"the service stored {stored.object_size_bytes} bytes with SHA-256 {stored.data_sha256} as version "
                f"{stored.version} of {stored.object_id!r}, but {expected_size} bytes with {digest} were sent; if this "
                "upload_id was used for another payload before, use a new one",
                object_id=stored.object_id,
                version=stored.version,
                promised=digest,
                received=stored.data_sha256,
            )
        return response
