"""Bytes that a function writes, as an iterator: how picklers and ``torch.save`` stream without a copy of the whole."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator

_QUEUED_PIECES = 4


class _StoppedError(Exception):
    """Nobody reads any more."""


class PipeWriter:
    """The file object that the function writes to; there is no ``seek``, since a stream has no way back."""

    def __init__(self, piece_size: int, pieces: queue.Queue[bytes | None], stopped: threading.Event) -> None:
        self._piece_size = piece_size
        self._pieces = pieces
        self._stopped = stopped
        self._held = bytearray()
        self._position = 0

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Take all of the bytes; waits while the reader is behind."""
        view = memoryview(data).cast("B")
        self._position += len(view)
        offset = 0
        while offset < len(view):
            taken = view[offset : offset + self._piece_size - len(self._held)]
            offset += len(taken)
            if not self._held and len(taken) == self._piece_size:
                self._put(bytes(taken))
                continue
            self._held += taken
            if len(self._held) == self._piece_size:
                self.flush()
        return len(view)

    def flush(self) -> None:
        """Pass on what is held back to fill a piece."""
        if self._held:
            self._put(bytes(self._held))
            self._held.clear()

    def tell(self) -> int:
        """How many bytes were written."""
        return self._position

    def _put(self, piece: bytes) -> None:
        while not self._stopped.is_set():
            try:
                self._pieces.put(piece, timeout=0.2)
            except queue.Full:
                continue
            return
        raise _StoppedError("nobody reads what is written")


def written(write: Callable[[PipeWriter], object], piece_size: int) -> Generator[bytes, None, None]:
    """What ``write`` writes to its argument, in pieces of ``piece_size`` bytes, the last one shorter.

    It runs in a thread, a few pieces ahead of the reader. What it raises is raised here. Closing the iterator ends it:
    its next ``write`` raises.
    """
    pieces: queue.Queue[bytes | None] = queue.Queue(_QUEUED_PIECES)
    stopped = threading.Event()
    failure: list[BaseException] = []

    def work() -> None:
        writer = PipeWriter(piece_size, pieces, stopped)
        try:
            write(writer)
            writer.flush()
        except _StoppedError:
            return
        except BaseException as error:  # noqa: BLE001 - it is raised in the reader's thread
            failure.append(error)
        while not stopped.is_set():
            try:
                pieces.put(None, timeout=0.2)
            except queue.Full:
                continue
            return

    thread = threading.Thread(target=work, name="flowcept-writer", daemon=True)
    thread.start()
    try:
        while (piece := pieces.get()) is not None:
            yield piece
        if failure:
            raise failure[0]
    finally:
        stopped.set()
        thread.join()
