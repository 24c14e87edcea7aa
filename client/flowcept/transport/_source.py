"""Where the bytes of an upload come from."""

from __future__ import annotations

import io
import mmap
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Protocol

from flowcept.errors import IntegrityError, InvalidArgumentError, Reason, shorten
from flowcept.framing import Piece
from flowcept.transport._pipe import PipeWriter, written
from flowcept.transport._window import Window

_TEXT_MODE = "it is open in text mode: open the file in binary mode ('rb')"

Confirm = Callable[[], int]
"""Asks the service how many bytes of the upload are staged durably."""


class PayloadSource(Protocol):
    """Bytes to upload. Used by one thread at a time."""

    @property
    def size(self) -> int | None:
        """How many bytes there are, where that is known in advance."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether any part can be read again at any time."""
        ...

    def pieces(self, offset: int, confirm: Confirm, /) -> Iterator[Piece]:
        """The bytes from ``offset`` on; called again, with another offset, when a transfer resumes.

        Args:
            offset: Where to begin.
            confirm: For sources that keep what is not staged yet.

        Raises:
            UploadNotResumableError: The source cannot go back that far.
        """
        ...

    def close(self) -> None:
        """Release what the source opened itself; what the caller opened stays open."""
        ...


class BufferSource:
    """Bytes in memory."""

    repeatable = True

    def __init__(self, data: memoryview, piece_size: int) -> None:
        self._data = data
        self._piece_size = piece_size
        self.size = len(data)

    def pieces(self, offset: int, _confirm: Confirm, /) -> Iterator[Piece]:
        """See PayloadSource."""
        for position in range(offset, self.size, self._piece_size):
            yield self._data[position : position + self._piece_size]

    def close(self) -> None:
        """See PayloadSource."""


class FileSource:
    """A regular file, read by position, so that nobody's file offset moves."""

    repeatable = True

    def __init__(self, path: Path, piece_size: int) -> None:
        self._path = path
        self._piece_size = piece_size
        self._file = path.open("rb", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size

    def pieces(self, offset: int, _confirm: Confirm, /) -> Iterator[Piece]:
        """See PayloadSource.

        Raises:
            IntegrityError: The file became shorter.
        """
        position = offset
        while position < self.size:
            piece = os.pread(self._file.fileno(), min(self._piece_size, self.size - position), position)
            if not piece:
                raise _shrunk(str(self._path), self.size, position)
            yield piece
            position += len(piece)

    def close(self) -> None:
        """See PayloadSource."""
        self._file.close()


class SeekableSource:
    """A binary file object that can go back; read from its present position to its end."""

    repeatable = True

    def __init__(self, file: IO[bytes], piece_size: int) -> None:
        self._file = file
        self._piece_size = piece_size
        self._start = file.tell()
        self.size = max(0, file.seek(0, io.SEEK_END) - self._start)
        file.seek(self._start)

    def pieces(self, offset: int, _confirm: Confirm, /) -> Iterator[Piece]:
        """See PayloadSource.

        Raises:
            IntegrityError: The file became shorter.
        """
        self._file.seek(self._start + offset)
        position = offset
        while position < self.size:
            piece = self._file.read(min(self._piece_size, self.size - position))
            if not piece:
                raise _shrunk(shorten(self._file), self.size, position)
            if isinstance(piece, str):  # a wrapper, as of a temporary file, does not tell
                raise _refused(self._file, _TEXT_MODE)
            yield piece
            position += len(piece)

    def close(self) -> None:
        """See PayloadSource."""


class StreamSource:
    """Bytes that come once: an iterator, a pipe, a pickler at work.

    What is not staged on the service yet is kept, up to ``Window.LIMIT`` bytes, so that a broken connection can be
    resumed.
    """

    repeatable = False
    size = None

    def __init__(self, pieces: Iterator[bytes], close: Callable[[], object] | None = None) -> None:
        self._window = Window(pieces)
        self._close = close

    def pieces(self, offset: int, confirm: Confirm, /) -> Iterator[Piece]:
        """See PayloadSource."""
        return self._window.read(offset, confirm)

    def close(self) -> None:
        """See PayloadSource."""
        if self._close is not None:
            self._close()


def as_source(value: object, piece_size: int) -> PayloadSource:
    """The source for what a caller gave as payload.

    Args:
        value: Bytes, bytearray, memoryview, mmap; a path (``os.PathLike``); a binary file object; an iterator of bytes.
        piece_size: Most bytes in one piece.

    Raises:
        InvalidArgumentError: It is something else; the message names the remedy.
        OSError: The file cannot be opened.
    """
    if isinstance(value, bytes | bytearray | memoryview | mmap.mmap):
        return BufferSource(_flat(value), piece_size)
    if isinstance(value, io.TextIOBase):
        raise _refused(value, _TEXT_MODE)
    if isinstance(value, os.PathLike):
        return _path_source(Path(os.fspath(value)), piece_size)
    if isinstance(value, str):
        raise _refused(value, "a str is neither bytes nor a path: use pathlib.Path(...) for a file, .encode() for text")
    if isinstance(value, dict | list | tuple | set | frozenset):
        raise _refused(value, "bytes are needed: give pickle=True to store it pickled, or serialize it yourself")
    if callable(getattr(value, "read", None)):
        return _file_source(value, piece_size)
    if isinstance(value, Iterator):
        return StreamSource(rechunked(value, piece_size))
    raise _refused(
        value,
        "bytes, a path, a binary file object or an iterator of bytes is needed: give pickle=True to store it pickled",
    )


def written_source(write: Callable[[PipeWriter], object], piece_size: int) -> PayloadSource:
    """The source for what ``write`` writes to its argument, in constant memory.

    ``write`` runs in a thread. What it raises is raised when the bytes are read, or here if it writes little.
    """
    pieces = written(write, piece_size)
    first = list(islice(pieces, 2))
    if len(first) < 2:
        # All of it: so little travels best in one message, and can be sent again at will.
        return BufferSource(memoryview(b"".join(first)), piece_size)
    return StreamSource(chain(first, pieces), pieces.close)


def rechunked(values: Iterable[object], piece_size: int) -> Iterator[bytes]:
    """Bytes-like values of any size as pieces of ``piece_size`` bytes, the last one shorter.

    Raises:
        InvalidArgumentError: A value is not bytes-like.
    """
    held = bytearray()
    for value in values:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise _refused(value, "the iterator must yield bytes")
        if not held and isinstance(value, bytes) and len(value) == piece_size:
            yield value
            continue
        view = _flat(value)
        position = 0
        while position < len(view):
            taken = view[position : position + piece_size - len(held)]
            position += len(taken)
            held += taken
            if len(held) == piece_size:
                yield bytes(held)
                held.clear()
    if held:
        yield bytes(held)


def _path_source(path: Path, piece_size: int) -> PayloadSource:
    if stat.S_ISREG(path.stat().st_mode):
        return FileSource(path, piece_size)
    if path.is_dir():
        raise _refused(path, "it is a directory: give a file, or an archive of it")
    file = path.open("rb", buffering=0)
    return StreamSource(rechunked(_read_all(file, piece_size), piece_size), file.close)


def _file_source(file: Any, piece_size: int) -> PayloadSource:
    seekable = getattr(file, "seekable", None)
    if callable(seekable) and seekable():
        return SeekableSource(file, piece_size)
    return StreamSource(rechunked(_read_all(file, piece_size), piece_size))


def _read_all(file: Any, piece_size: int) -> Iterator[object]:
    while piece := file.read(piece_size):
        yield piece


def _flat(value: bytes | bytearray | memoryview | mmap.mmap) -> memoryview:
    view = memoryview(value)
    if view.nbytes == 0:
        return memoryview(b"")
    if not view.c_contiguous:
        raise _refused(value, "its memory is not contiguous: give bytes(...) of it")
    return view.cast("B")


def _refused(value: object, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"object ({shorten(value)} of type {type(value).__name__}) cannot be stored: {problem}",
        field="object",
        value=shorten(value),
    )


def _shrunk(name: str, size: int, position: int) -> IntegrityError:
    return IntegrityError(
        f"{name} had {size} bytes when the upload began and ends at {position} now; upload it again when complete",
        reason=Reason.SIZE_MISMATCH,
        promised=size,
        received=position,
    )
