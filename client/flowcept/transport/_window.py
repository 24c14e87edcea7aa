"""Resuming a source that cannot go back: keeping what the service has not staged yet."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import ClassVar

from flowcept.errors import FlowceptError, Reason

_POLL_SECONDS = 0.01
_STALL_SECONDS = 10.0


class UploadNotResumableError(FlowceptError):
    """The connection broke, and the source cannot be read again from where the service needs it."""

    default_reason = Reason.SERVICE_UNREACHABLE


class Window:
    """Pieces that come once, and the last of them again.

    Keeps at most ``LIMIT`` bytes: when it is full, it asks the service how much is staged durably, lets go of that, and
    waits for more if there is none. A service that has not staged anything for ten seconds stages late; then the oldest
    pieces are let go, since going on matters more than being able to go back.
    """

    LIMIT: ClassVar[int] = 48 << 20
    """Bytes kept: three times what the service stages at once, so that a full window always moves."""

    def __init__(
        self,
        pieces: Iterator[bytes],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = pieces
        self._clock = clock
        self._sleep = sleep
        self._kept: deque[bytes] = deque()
        self._start = 0
        self._end = 0
        self._failure: BaseException | None = None

    def read(self, offset: int, confirm: Callable[[], int]) -> Iterator[bytes | memoryview]:
        """The bytes from ``offset`` on: those that are kept, then the source's.

        Args:
            offset: Where to begin; up to where this was read before.
            confirm: Asks how many bytes are staged durably.

        Raises:
            UploadNotResumableError: ``offset`` lies before what is kept, or behind what was read.
        """
        if not self._start <= offset <= self._end:
            raise UploadNotResumableError(
                f"the connection broke; the service has {offset} bytes of the upload, but this source cannot be read "
                f"again and only bytes {self._start} to {self._end} are still held; paths, bytes and seekable files "
                "can be resumed from anywhere",
                offset=offset,
            )
        yield from self._again(offset)
        while True:
            if self._end - self._start >= self.LIMIT:
                self._make_room(confirm)
            piece = self._next()
            if piece is None:
                return
            self._kept.append(piece)
            self._end += len(piece)
            yield piece

    def _next(self) -> bytes | None:
        if self._failure is not None:
            raise self._failure
        try:
            return next(self._source, None)
        except BaseException as error:
            # An iterator that failed says afterwards that it has ended, and half a payload would be taken for all.
            self._failure = error
            raise

    def _again(self, offset: int) -> Iterator[bytes | memoryview]:
        position = self._start
        for piece in tuple(self._kept):
            if position + len(piece) > offset:
                yield memoryview(piece)[max(0, offset - position) :]
            position += len(piece)

    def _make_room(self, confirm: Callable[[], int]) -> None:
        deadline = self._clock() + _STALL_SECONDS
        while True:
            self._let_go(confirm())
            if self._end - self._start < self.LIMIT:
                return
            if self._clock() > deadline:
                self._let_go(self._end - self.LIMIT // 2)
                return
            self._sleep(_POLL_SECONDS)

    def _let_go(self, offset: int) -> None:
        while self._kept and self._start + len(self._kept[0]) <= offset:
            self._start += len(self._kept.popleft())
