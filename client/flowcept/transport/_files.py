"""Downloading to a file: beside it first, verified, then renamed into place."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from flowcept.errors import IntegrityError, InvalidArgumentError, PreconditionError, shorten
from flowcept.framing import Piece
from flowcept.transport._connection import Connection
from flowcept.transport._digest import Digest
from flowcept.transport._download import Download
from flowcept.transport._upload import Progress
from flowcept.v1 import blob_object_pb2
from flowcept.v1 import blob_store_service_pb2 as pb

_READ_BYTES = 1 << 20
_NAME_DIGITS = 12  # of the digest, in the name of a part file


def download_to_file(
    connection: Connection,
    object_id: str,
    version: int | None,
    path: Path,
    *,
    progress: Progress | None = None,
) -> blob_object_pb2.BlobObject:
    """Download a version to ``path``, which either holds the whole, verified payload afterwards or is untouched.

    The bytes go to ``<name>.<digest>.part`` beside it. That file stays behind when the download is interrupted, and the
    next one of the same content continues it, whichever process that is.

    Raises:
        IntegrityError: The bytes are not those of the version; the part file is removed.
        InvalidArgumentError: ``path`` is a directory.
        PreconditionError: Another process is downloading the same content to the same path.
        FlowceptError: As ``BlobStore.Download`` documents.
        OSError: The file cannot be written.
    """
    if path.is_dir() or not path.name:
        raise InvalidArgumentError(f"path is {shorten(str(path))}, a directory; give a file in it", field="path")
    request = pb.GetObjectRequest(object_id=object_id, version=version)
    wanted = connection.call(lambda stubs: stubs.blobs.GetObject, request).object
    part = path.with_name(f"{path.name}.{wanted.data_sha256[:_NAME_DIGITS]}.part")
    with _locked(part) as file, Digest() as digest:
        _count(file, digest, wanted.object_size_bytes)
        try:
            _fetch(connection, wanted, file, digest, progress)
        except IntegrityError:
            part.unlink()
            raise
        file.flush()
        os.fsync(file.fileno())
        part.replace(path)
    _sync_directory(path.parent)
    return wanted


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    while True:
        # "a" neither truncates nor fails; a file opened this way can be read, and is written at its end.
        with part.open("a+b", buffering=0) as file:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PreconditionError(
                    f"another process is downloading to {shorten(str(part))}; wait for it, or choose another path"
                ) from None
            if _is_named(file, part):
                yield file
                return
        # Since it was opened, another process has completed it and given it its name.


def _is_named(file: IO[bytes], path: Path) -> bool:
    opened = os.fstat(file.fileno())
    try:
        return os.path.samestat(opened, path.stat())
    except FileNotFoundError:
        return False


def _count(file: IO[bytes], digest: Digest, size: int) -> None:
    """Hash what an earlier download left; begin anew where it cannot be the beginning of this payload."""
    if os.fstat(file.fileno()).st_size > size:
        file.truncate(0)
    file.seek(0)
    while piece := file.read(_READ_BYTES):
        digest.update(digest.position, piece)


def _fetch(
    connection: Connection,
    wanted: blob_object_pb2.BlobObject,
    file: IO[bytes],
    digest: Digest,
    progress: Progress | None,
) -> None:
    with Download(
        connection, wanted.object_id, wanted.version, offset=digest.position, digest=digest, progress=progress
    ) as download:
        for piece in download:
            _write(file, piece)


def _write(file: IO[bytes], piece: Piece) -> None:
    # An unbuffered file may take less than it is given, when a disk is nearly full or a signal comes.
    view = memoryview(piece)
    while view:
        view = view[file.write(view) :]


def _sync_directory(path: Path) -> None:
    """Make the rename durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
