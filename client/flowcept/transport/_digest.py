"""SHA-256 of a stream, computed beside its transfer."""

from __future__ import annotations

import hashlib
import queue
import threading
from typing import Self

from flowcept.framing import Piece

_INLINE_BYTES = 4 << 20  # a thread for less costs more than it saves
_QUEUED_PIECES = 4  # bounds the memory; the hash is faster than nearly every network


class Digest:
    """A running SHA-256. Bytes that were counted already are skipped, so that a resumed transfer may repeat them.

    Long streams are hashed in a thread, since hashlib releases the interpreter's lock. For use by one thread at a time,
    but for ``close``: call it at the end, or use this as a context manager.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._pieces: queue.Queue[Piece | None] = queue.Queue(_QUEUED_PIECES)
        self._thread: threading.Thread | None = None
        # The thread that sends may still be at work when an upload is given up by the one that began it.
        self._lock = threading.Lock()
        self._closed = False
        self.position = 0
        """How many bytes were counted."""

    def update(self, offset: int, data: Piece) -> None:
        """Count the bytes at ``offset``; what lies before ``position`` is skipped.

        Raises:
            ValueError: ``offset`` lies behind ``position``: bytes between them would be missing.
        """
        if offset > self.position:
            raise ValueError(f"bytes {self.position} to {offset} were never hashed")
        fresh = memoryview(data)[self.position - offset :]
        if not fresh:
            return
        with self._lock:
            if not self._closed:
                self._count(fresh)

    def hexdigest(self) -> str:
        """The digest of everything so far, 64 lower-case hexadecimal digits."""
        with self._lock:
            self._settle()
            return self._hash.hexdigest()

    def close(self) -> None:
        """Wait for what is queued and end the thread; nothing is counted any more. Safe from another thread."""
        with self._lock:
            self._closed = True
            self._settle()

    def _count(self, fresh: memoryview) -> None:
        self.position += len(fresh)
        if self._thread is None and self.position > _INLINE_BYTES:
            self._thread = threading.Thread(target=self._work, name="flowcept-sha256", daemon=True)
            self._thread.start()
        if self._thread is None:
            self._hash.update(fresh)
        else:
            self._pieces.put(fresh)

    def _settle(self) -> None:
        """Wait for what is queued and end the thread; the next bytes start another."""
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _work(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._hash.update(piece)
