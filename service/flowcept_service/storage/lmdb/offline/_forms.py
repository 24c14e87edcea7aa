"""The two forms of a backup: a directory, which can be used as it is, and a tar archive, which can be a stream."""

from __future__ import annotations

import io
import os
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final

from flowcept.errors import IntegrityError, NotFoundError, Reason
from flowcept_service.storage.lmdb._environment.environment import DATA_FILE
from flowcept_service.storage.lmdb._tables import PAYLOADS, RECORDS
from flowcept_service.storage.lmdb.offline._manifest import MANIFEST_NAME
from flowcept_service.storage.lmdb.offline._writing import flush_directory, partial_path, remove_files, translated

FILES: Final = (f"{RECORDS}/{DATA_FILE}", f"{PAYLOADS}/{DATA_FILE}", MANIFEST_NAME)
"""What a backup consists of, in this order; nothing else is written or read."""
ARCHIVE_SUFFIX: Final = ".tar"
STREAM: Final = "-"
PIECE_BYTES: Final = 1 << 20


class BackupTarget(ABC):
    """Takes the files of a backup, one after the other."""

    @abstractmethod
    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Write a file of exactly this size."""

    @abstractmethod
    def finish(self) -> None:
        """All files are written: make them durable."""


class DirectoryTarget(BackupTarget):
    """Writes files into a directory, which is made."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700)

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """See ``BackupTarget.add``."""
        written = write_file(self._directory / name, pieces)
        if written != size:
            raise IntegrityError(f"{name} has {written:,} bytes instead of {size:,}; make another backup", path=name)

    def finish(self) -> None:
        """See ``BackupTarget.finish``."""
        flush_directory(self._directory)


def write_file(path: Path, pieces: Iterable[bytes]) -> int:
    """Write a file and make it durable, with the directory that holds it; how many bytes it has."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    written = 0
    with path.open("xb") as file:
        for piece in pieces:
            written += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    flush_directory(path.parent)
    return written


class TarTarget(BackupTarget):
    """Writes a tar archive to a file or a stream, which stays open."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - until `finish`

    def add(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """See ``BackupTarget.add``."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o600
        self._tar.addfile(member, _Pieces(iter(pieces)))

    def finish(self) -> None:
        """See ``BackupTarget.finish``."""
        self._tar.close()
        self._stream.flush()


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """As of files: fewer bytes than asked for only at the end."""
        parts: list[bytes] = []
        wanted = size
        while wanted > 0:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    break
            parts.append(self._rest[:wanted])
            self._rest = self._rest[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)


@contextmanager
def new_directory(target: Path) -> Iterator[tuple[Path, BackupTarget]]:
    """A directory under a temporary name, which gets its own when everything has gone well, and else disappears."""
    draft = partial_path(target)
    try:
        with translated(draft):
            yield draft, DirectoryTarget(draft)
            draft.rename(target)
            flush_directory(target.parent)
    except BaseException:
        remove_files(draft, FILES)
        raise


@contextmanager
def new_archive(target: Path) -> Iterator[tuple[Path, BackupTarget]]:
    """An archive, likewise."""
    draft = partial_path(target)
    try:
        with translated(draft):
            with draft.open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                yield draft, TarTarget(file)
                os.fsync(file.fileno())
            draft.rename(target)
            flush_directory(target.parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a backup that is being read."""

    name: str
    pieces: Iterator[bytes]


def read_backup(source: str, stdin: BinaryIO) -> Iterator[SourceFile]:
    """The files of a backup, each to be read before the next one.

    Args:
        source: A directory, an archive, or ``-``.
        stdin: What ``-`` means.

    Raises:
        NotFoundError: OBJECT_NOT_FOUND, when there is nothing.
        IntegrityError: It is no archive, or ends early.
    """
    if source == STREAM:
        yield from _read_archive(stdin, "the stream")
        return
    path = Path(source)
    if path.is_dir():
        yield from _read_directory(path)
        return
    if not path.is_file():
        raise NotFoundError(f"there is no backup {path}", reason=Reason.OBJECT_NOT_FOUND, path=path)
    with translated(path), path.open("rb") as file:
        yield from _read_archive(file, str(path))


def _read_directory(directory: Path) -> Iterator[SourceFile]:
    for name in FILES:
        path = directory / name
        if not path.is_file():
            raise IntegrityError(f"{directory} is no complete backup: {name} is missing", path=path)
        with translated(path), path.open("rb") as file:
            yield SourceFile(name, _pieces_of(file))


def _read_archive(stream: BinaryIO, where: str) -> Iterator[SourceFile]:
    with _damage_named(where), tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            # Only known names: what an archive holds never decides where something is written.
            if member.name not in FILES or not member.isfile():
                raise IntegrityError(f"{where} is no backup: it holds {member.name[:100]!r}", path=where)
            file = tar.extractfile(member)
            yield SourceFile(member.name, iter(()) if file is None else _archived(file, where))


def _archived(file: IO[bytes], where: str) -> Iterator[bytes]:
    with _damage_named(where):
        yield from _pieces_of(file)


@contextmanager
def _damage_named(where: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError) as error:
        raise IntegrityError(f"{where} is damaged, or no archive: {error}; use another backup", path=where) from error


def _pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece
