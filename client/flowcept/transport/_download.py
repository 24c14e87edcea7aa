"""Downloading one version, however often the connection breaks."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from typing import Self

from flowcept.errors import (
    DeadlineError,
    FlowceptError,
    IntegrityError,
    InternalError,
    NotFoundError,
    UnavailableError,
    shorten,
)
from flowcept.framing import decode_chunk
from flowcept.transport._connection import Connection
from flowcept.transport._digest import Digest
from flowcept.transport._memory import keep_freed_memory
from flowcept.transport._retry import Patience, is_transient
from flowcept.transport._stream import ResponseStream
from flowcept.transport._upload import Progress
from flowcept.v1 import blob_object_pb2
from flowcept.v1 import blob_store_service_pb2 as pb


class Download:
    """The bytes of exactly one version, from an offset on: an iterator of pieces.

    A broken connection is resumed behind the last byte, at the same version, with growing waits, until nothing arrived
    for ``settings.idle_timeout`` seconds. A download of the whole payload is checked against its digest at the end.

    Close it, or use it as a context manager.
    """

    def __init__(
        self,
        connection: Connection,
        object_id: str,
        version: int | None = None,
        *,
        offset: int = 0,
        length: int | None = None,
        digest: Digest | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Begin the download; ``object``, the metadata of the version, is there when this returns.

        Args:
            connection: The connection to use.
            object_id: The object.
            version: The version; the latest when not given.
            offset: First byte wanted.
            length: How many bytes are wanted; to the end when not given.
            digest: Has counted the bytes before ``offset``, which an earlier download brought.
            progress: Told about each piece.

        Raises:
            FlowceptError: As ``BlobStore.Download`` documents.
        """
        self._connection = connection
        self._request = pb.DownloadRequest(object_id=object_id, version=version, offset=offset, length=length)
        self._progress = progress
        self._position = offset
        whole = length is None and (offset == 0 if digest is None else offset == digest.position)
        self._digest = (digest or Digest()) if whole else None
        self._request.verified_by_reader = whole
        settings = connection.settings
        self._patience = Patience(settings.retry, settings.idle_timeout, connection.timing)
        self._pending: memoryview | None = None
        keep_freed_memory()
        self._stream, self.object = self._open_patiently()
        size = self.object.object_size_bytes
        self._end = size if length is None else min(size, offset + length)
        self._request.version = self.object.version
        self._pieces = self._read()

    def __iter__(self) -> Iterator[memoryview]:
        """The pieces, in order.

        Raises:
            IntegrityError: The bytes are not those of the version.
            FlowceptError: As ``BlobStore.Download`` documents; UnavailableError or DeadlineError when the service stays
                away.
        """
        return self._pieces

    def read(self) -> bytes:
        """The rest of the bytes, in memory once."""
        buffer = io.BytesIO()
        for piece in self:
            buffer.write(piece)
        return buffer.getvalue()

    def close(self) -> None:
        """End the download."""
        self._pieces.close()
        self._stream.close()
        if self._digest is not None:
            self._digest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _read(self) -> Generator[memoryview, None, None]:
        while True:
            try:
                for piece in self._received():
                    if self._digest is not None:
                        self._digest.update(self._position, piece)
                    self._position += len(piece)
                    self._patience.progressed()
                    if self._progress is not None:
                        self._progress(self._position, self.object.object_size_bytes)
                    yield piece
                if self._position == self._end:
                    break
                raise UnavailableError(f"the stream ended at byte {self._position} of {self._end}")
            except FlowceptError as error:
                self._stream.close()
                if not is_transient(error):
                    raise
                self._patience.wait(error)
            self._request.offset = self._position
            if self._request.HasField("length"):
                self._request.length = self._end - self._position
            self._stream, _ = self._open_patiently()
        if self._digest is not None and self.object.data_sha256:
            self._check(self._digest)

    def _check(self, digest: Digest) -> None:
        try:
            check_digest(digest, self.object.object_id, self.object.version, self.object.data_sha256)
        except IntegrityError:
            # Only the service can tell whether they are damaged in the store, and then reports it to those who run it.
            whole = pb.DownloadRequest(object_id=self.object.object_id, version=self.object.version)
            checked = self._connection.stream(lambda stubs: stubs.download, whole)
            with suppress(UnavailableError, DeadlineError, NotFoundError), closing(checked):
                for _ in checked:
                    pass
            raise

    def _open_patiently(self) -> tuple[ResponseStream[bytes], blob_object_pb2.BlobObject]:
        while True:
            stream = self._connection.stream(lambda stubs: stubs.download, self._request)
            try:
                return stream, self._first(stream)
            except FlowceptError as error:
                stream.close()
                if not is_transient(error):
                    raise
                self._patience.wait(error)

    def _first(self, stream: ResponseStream[bytes]) -> blob_object_pb2.BlobObject:
        message = next(stream, None)
        response = pb.DownloadResponse() if message is None else pb.DownloadResponse.FromString(message)
        if not response.HasField("object"):
            raise InternalError("the service began a download without the metadata")
        self._patience.reached()
        self._pending = self._take(response.chunk.offset, memoryview(response.chunk.data))
        return response.object

    def _received(self) -> Iterator[memoryview]:
        if self._pending:
            yield self._pending
        self._pending = None
        for message in self._stream:
            chunk = decode_chunk(message)
            if chunk is None:
                response = pb.DownloadResponse.FromString(message)
                chunk = response.chunk.offset, memoryview(response.chunk.data)
            if piece := self._take(*chunk):
                yield piece

    def _take(self, offset: int, piece: memoryview) -> memoryview:
        if piece and offset != self._position:
            raise InternalError(f"the service sent bytes from {offset}, not from {self._position} as it should")
        return piece


def check_digest(digest: Digest, object_id: str, version: int, recorded: str) -> None:
    """Compare what was received with what is recorded.

    Raises:
        IntegrityError: They differ.
    """
    received = digest.hexdigest()
    if received != recorded:
        raise IntegrityError(
            f"the bytes of version {version} of {shorten(object_id)} have SHA-256 {received}, not {recorded} as "
            "recorded: they were damaged in the store or on the way; download them again",
            object_id=object_id,
            version=version,
            promised=recorded,
            received=received,
        )
