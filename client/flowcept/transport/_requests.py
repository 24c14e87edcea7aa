"""The messages of one attempt at an upload, as gRPC takes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator

from flowcept.errors import FlowceptError
from flowcept.framing import encode_chunk
from flowcept.transport._digest import Digest
from flowcept.transport._source import PayloadSource
from flowcept.v1 import blob_store_service_pb2 as pb


class LocalFailureError(Exception):
    """What went wrong on this side: in the source of the bytes, or in the caller's progress callback."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _LostError(Exception):
    """The service could not be asked how much it has staged."""

    def __init__(self, cause: FlowceptError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _DetachedError(Exception):
    """The attempt is over; nothing that it reads is wanted any more."""


class UploadRequests:
    """Header, chunks and commit, from an offset on.

    gRPC takes them in a thread of its own, one by one, as it can send them.
    """

    def __init__(
        self,
        *,
        header: pb.UploadHeader,
        source: PayloadSource,
        offset: int,
        digest: Digest,
        report: Callable[[int], None],
        confirm: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self._header = header
        self._source = source
        self._offset = offset
        self._digest = digest
        self._report = report
        self._ask = confirm
        self._clock = clock
        self._messages = self._generate()
        self._reading = threading.Lock()
        self._detached = False
        self._failure: BaseException | None = None
        self._taken_at: float | None = clock()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._reading:
            if self._detached or self._failure is not None:
                raise StopIteration
            self._taken_at = None
            try:
                return next(self._messages)
            except StopIteration:
                raise
            except BaseException as error:  # noqa: BLE001 - `raise_failure` raises it
                # gRPC would log it and end the call with words of its own. A stream without a commit publishes nothing.
                self._failure = error
                raise StopIteration from None
            finally:
                self._taken_at = self._clock()

    def idle_since(self) -> float | None:
        """When the service last took a message; None while the source is at work."""
        return self._taken_at

    def raise_failure(self) -> None:
        """Raise what ended the stream from within, if anything did.

        Raises:
            LocalFailureError: The source or the callback failed.
            FlowceptError: The service could not be reached.
        """
        if isinstance(self._failure, _LostError):
            raise self._failure.cause from None
        if self._failure is not None:
            raise LocalFailureError(self._failure) from None

    def detach(self) -> None:
        """The attempt is over: read no more. Does not wait: a source may be waiting for a person at a keyboard."""
        self._detached = True

    def wait(self) -> None:
        """Wait until the source is no longer read, so that another attempt may; call ``detach`` before."""
        with self._reading:
            self._messages.close()

    def _generate(self) -> Generator[bytes, None, None]:
        yield pb.UploadRequest(header=self._header).SerializeToString()
        position = self._offset
        for piece in self._source.pieces(position, self._confirm):
            if self._detached:
                raise _DetachedError
            self._digest.update(position, piece)
            yield encode_chunk(position, piece)
            position += len(piece)
            self._report(position)
        commit = pb.UploadCommit(object_size_bytes=position, data_sha256=self._digest.hexdigest())
        yield pb.UploadRequest(commit=commit).SerializeToString()

    def _confirm(self) -> int:
        if self._detached:
            raise _DetachedError
        try:
            return self._ask()
        except FlowceptError as error:
            raise _LostError(error) from None
