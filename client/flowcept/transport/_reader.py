"""A version as a file that can be read anywhere."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flowcept.transport._connection import Connection
from flowcept.transport._digest import Digest
from flowcept.transport._download import Download, check_digest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_FIRST_AHEAD = 256 << 10
_MOST_AHEAD = 64 << 20
_SKIPPED_BYTES = 1 << 20  # reading on costs less than asking anew up to about here


class RangeReader(io.RawIOBase):
    """Reads one version by range downloads. Wrap it in ``io.BufferedReader`` for small reads.

    Reading on and on fetches ahead, further each time, up to 64 MiB in one range; jumping about fetches little. Memory
    holds one piece. A payload that is read from beginning to end is checked against its digest, like any other
    download.
    """

    def __init__(self, connection: Connection, object_id: str, version: int, size: int, sha256: str) -> None:
        super().__init__()
        self._connection = connection
        self._object_id = object_id
        self._version = version
        self._size = size
        self._sha256 = sha256
        self._position = 0  # of the reader
        self._piece = memoryview(b"")
        self._cursor = 0  # where `_piece` begins
        self._ahead = _FIRST_AHEAD
        self._download: Download | None = None
        self._pieces: Iterator[memoryview] = iter(())
        self._digest: Digest | None = Digest()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Position of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; nothing is fetched before the next read.

        Raises:
            ValueError: The position would be negative, or ``whence`` is unknown.
        """
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        if whence not in bases:
            raise ValueError(f"whence must be 0, 1 or 2, not {whence}")
        position = bases[whence] + offset
        if position < 0:
            raise ValueError(f"the position must not be negative, and {position} is")
        self._position = position
        return position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read some bytes, at least one before the end.

        Raises:
            IntegrityError: The payload was read as a whole and its bytes are not those of the version.
            FlowceptError: As ``BlobStore.Download`` documents.
        """
        if self.closed:
            raise ValueError("the reader is closed")
        target = memoryview(buffer).cast("B")
        if not target or self._position >= self._size:
            return 0
        self._reach()
        count = min(len(target), len(self._piece))
        target[:count] = self._piece[:count]
        self._advance(count)
        self._position += count
        return count

    def close(self) -> None:
        """End the download."""
        self._stop()
        if self._digest is not None:
            self._digest.close()
            self._digest = None
        super().close()

    def _reach(self) -> None:
        """Bring ``_piece`` to the reader's position, with at least one byte."""
        if not 0 <= self._position - self._cursor <= len(self._piece) + _SKIPPED_BYTES:
            self._stop()
            self._cursor = self._position
            self._ahead = _FIRST_AHEAD
        while self._cursor + len(self._piece) <= self._position:
            self._advance(len(self._piece))
            self._fetch()
        self._advance(self._position - self._cursor)

    def _advance(self, count: int) -> None:
        self._piece = self._piece[count:]
        self._cursor += count

    def _fetch(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            self._stop()
            self._download = Download(
                self._connection, self._object_id, self._version, offset=self._cursor, length=self._ahead
            )
            self._pieces = iter(self._download)
            self._ahead = min(self._ahead * 2, _MOST_AHEAD)
            piece = next(self._pieces)
        self._piece = piece
        self._count(piece)

    def _count(self, piece: memoryview) -> None:
        if self._digest is None:
            return
        if self._cursor > self._digest.position:
            # Bytes before these were never seen: the whole cannot be checked any more.
            self._digest.close()
            self._digest = None
            return
        self._digest.update(self._cursor, piece)
        if self._digest.position == self._size:
            check_digest(self._digest, self._object_id, self._version, self._sha256)

    def _stop(self) -> None:
        if self._download is not None:
            self._download.close()
            self._download = None
        self._pieces = iter(())
        self._piece = memoryview(b"")
