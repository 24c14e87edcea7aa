"""Received bytes that wait for their batch."""

from __future__ import annotations

from flowcept_service.storage.contract import Chunk

SMALL_BYTES = 64 << 10
"""Chunks below this size are copied together; kept one by one, each of them would take more memory than its bytes."""
_TAIL_BYTES = 1 << 20


class ChunkBuffer:
    """Chunks in their order; large ones as they came, small ones joined."""

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._tail = bytearray()
        self._size = 0

    @property
    def size(self) -> int:
        """The bytes that wait."""
        return self._size

    def append(self, chunk: Chunk) -> None:
        """Add bytes at the end."""
        self._size += len(chunk)
        if len(chunk) < SMALL_BYTES:
            self._tail += chunk
            if len(self._tail) >= _TAIL_BYTES:
                self._seal()
            return
        self._seal()
        self._chunks.append(chunk)

    def take(self) -> list[Chunk]:
        """Everything that waits; the buffer is empty then."""
        self._seal()
        chunks, self._chunks, self._size = self._chunks, [], 0
        return chunks

    def _seal(self) -> None:
        if self._tail:
            self._chunks.append(bytes(self._tail))
            self._tail = bytearray()
