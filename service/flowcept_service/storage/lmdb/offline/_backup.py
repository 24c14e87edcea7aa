"""Backup of a store whose server may go on: a snapshot is copied, described, read again, and only then named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import BinaryIO, Final

from flowcept.errors import CancelledError, IntegrityError, InvalidArgumentError
from flowcept_service.domain.records import Collection
from flowcept_service.storage.lmdb._environment.directory import ReadersLock, check_restored
from flowcept_service.storage.lmdb._log.tables import read_bounds
from flowcept_service.storage.lmdb.offline._file import StoreFile
from flowcept_service.storage.lmdb.offline._forms import (
    ARCHIVE_SUFFIX,
    FILES,
    STREAM,
    BackupTarget,
    TarTarget,
    new_archive,
    new_directory,
    read_backup,
)
from flowcept_service.storage.lmdb.offline._manifest import MANIFEST_NAME, BackupFile, Manifest
from flowcept_service.storage.lmdb.offline._snapshot import Snapshot
from flowcept_service.storage.lmdb.offline._writing import check_absent, check_room, translated

_SPARE_BYTES: Final = 1 << 20
"""For what surrounds the files in an archive, and the manifest."""


class Backup:
    """One backup; the store's state is the one at which this was made.

    Args:
        directory: The data directory.
        created_at: The time, aware.

    Raises:
        NotFoundError: OBJECT_NOT_FOUND, when there is no store.
        PreconditionError: STORAGE_INCOMPATIBLE; STORAGE_IN_USE, while its files are being replaced.
        UnavailableError: STORAGE_UNAVAILABLE, when it cannot be read.
    """

    def __init__(self, directory: Path, created_at: datetime) -> None:
        self.done_bytes = 0
        """Bytes copied so far."""
        self._directory = directory
        self._stopping = Event()
        with ExitStack() as opened:
            opened.callback(ReadersLock(directory).release)
            check_restored(directory)
            self._snapshot = Snapshot(directory)
            opened.callback(self._snapshot.close)
            self._sizes = {file.role: self._snapshot.size(file) for file in self._snapshot.files}
            self._described = describe(self._snapshot, created_at)
            self._opened = opened.pop_all()

    @property
    def total_bytes(self) -> int:
        """Bytes to copy."""
        return sum(self._sizes.values())

    def stop(self) -> None:
        """End soon, and leave nothing."""
        self._stopping.set()

    def close(self) -> None:
        """Let the store's server use its pages again."""
        self._opened.close()

    def write(self, target: str, stdout: BinaryIO) -> Manifest:
        """Write the backup.

        Args:
            target: A directory to be made, a file to be made whose name ends in ``.tar``, or ``-``.
            stdout: What ``-`` means.

        Raises:
            AlreadyExistsError: OBJECT_EXISTS, when there is something of that name.
            ResourceExhaustedError: STORAGE_FULL; nothing is left of the backup.
            CancelledError: After ``stop``; likewise.
            InvalidArgumentError: The target lies within the data directory.
            UnavailableError: STORAGE_UNAVAILABLE, when the target cannot be written to; likewise.
        """
        if target == STREAM:
            with translated(Path("stdout")):
                return self._write(TarTarget(stdout))
        path = Path(target).absolute()
        check_absent(path)
        if path.parent.resolve().is_relative_to(self._directory.resolve()):
            raise InvalidArgumentError(
                f"a backup in {path} would lie within the data directory {self._directory}, and be lost with it; "
                "choose another place",
                field="target",
            )
        check_room(path.parent, self.total_bytes + _SPARE_BYTES)
        if path.name.endswith(ARCHIVE_SUFFIX):
            with new_archive(path) as (draft, archive):
                manifest = self._write(archive)
                self._verify_archive(draft, manifest)
        else:
            with new_directory(path) as (draft, directory):
                manifest = self._write(directory)
                verify_opened(draft, manifest)
        return manifest

    def _write(self, target: BackupTarget) -> Manifest:
        files = tuple(self._copy(target, name, file) for name, file in zip(FILES, self._snapshot.files, strict=False))
        manifest = Manifest(
            created_at=self._described.created_at,
            oldest_sequence=self._described.oldest_sequence,
            last_sequence=self._described.last_sequence,
            counts=self._described.counts,
            files=files,
        )
        data = manifest.encode()
        target.add(MANIFEST_NAME, len(data), [data])
        target.finish()
        return manifest

    def _copy(self, target: BackupTarget, name: str, file: StoreFile) -> BackupFile:
        digest = hashlib.sha256()

        def pieces() -> Iterator[bytes]:
            for piece in self._snapshot.pages(file):
                if self._stopping.is_set():
                    raise CancelledError("the backup was interrupted; nothing is left of it")
                digest.update(piece)
                self.done_bytes += len(piece)
                yield piece

        target.add(name, self._sizes[file.role], pieces())
        return BackupFile(name, self._sizes[file.role], digest.hexdigest())

    @staticmethod
    def _verify_archive(draft: Path, manifest: Manifest) -> None:
        """Read what was written: an archive cannot be opened as a database."""
        with draft.open("rb") as stream:
            files = (file for file in read_backup(str(draft), stream) if file.name != MANIFEST_NAME)
            found = [read_through(file.name, file.pieces) for file in files]
        if tuple(found) != manifest.files:
            raise IntegrityError(f"{draft} is not what was written to it; is the disk sound?", path=draft)


def read_through(name: str, pieces: Iterable[bytes]) -> BackupFile:
    """Size and digest of a file."""
    digest = hashlib.sha256()
    size = 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return BackupFile(name, size, digest.hexdigest())


def describe(snapshot: Snapshot, created_at: datetime) -> Manifest:
    """What a snapshot holds."""
    file, txn = snapshot.record_file, snapshot.records
    bounds = read_bounds(txn, file.meta)
    counts = {collection.value: int(txn.stat(file.table(collection.value))["entries"]) for collection in Collection}
    counts["payloads"] = int(txn.stat(file.table("payload_references"))["entries"])
    return Manifest(created_at=created_at, oldest_sequence=bounds.oldest, last_sequence=bounds.last, counts=counts)


def verify_opened(directory: Path, manifest: Manifest) -> None:
    """Open a copied store.

    Raises:
        IntegrityError: It is not what the manifest says.
        PreconditionError, UnavailableError: It cannot be opened.
    """
    snapshot = Snapshot(directory)
    try:
        found = describe(snapshot, manifest.created_at)
    finally:
        snapshot.close()
    told = (manifest.oldest_sequence, manifest.last_sequence, dict(manifest.counts))
    if (found.oldest_sequence, found.last_sequence, dict(found.counts)) != told:
        raise IntegrityError(f"the store in {directory} is not the one that its manifest describes", path=directory)
