"""Restoring a backup into an empty data directory: all of it, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import BinaryIO, Final

from flowcept.errors import AlreadyExistsError, CancelledError, IntegrityError, Reason
from flowcept_service.storage.lmdb._environment.directory import LOCK_FILE, RESTORING, DirectoryLock
from flowcept_service.storage.lmdb._environment.environment import DATA_FILE
from flowcept_service.storage.lmdb._replica import STATE_KEY
from flowcept_service.storage.lmdb._tables import PAYLOADS, RECORDS
from flowcept_service.storage.lmdb.offline import _file
from flowcept_service.storage.lmdb.offline._backup import verify_opened
from flowcept_service.storage.lmdb.offline._file import StoreFile
from flowcept_service.storage.lmdb.offline._forms import read_backup, write_file
from flowcept_service.storage.lmdb.offline._manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    BackupFile,
    Manifest,
)
from flowcept_service.storage.lmdb.offline._renumber import MoveFrames, Renumbering, first_sequence
from flowcept_service.storage.lmdb.offline._writing import flush_directory, remove_files, translated

_STORE_FILES: Final = tuple(f"{role}/{name}" for role in (RECORDS, PAYLOADS) for name in (DATA_FILE, _file.LOCK_FILE))
_HARMLESS: Final = {LOCK_FILE, "lost+found"}
"""What an empty data directory may hold: the lock of a server that never was, and what a new file system has."""


class Restore:
    """One restore.

    Args:
        source: A backup: a directory, an archive, or ``-``.
        directory: The data directory, made when missing.
        now: The clock.
        move: Changes sequences within frames of events; None keeps all sequences as they are.
        is_complete: Whether the state that a copy of another store keeps says that the copy is complete.
    """

    def __init__(
        self,
        source: str,
        directory: Path,
        *,
        now: Callable[[], datetime],
        move: MoveFrames | None,
        is_complete: Callable[[bytes], bool],
    ) -> None:
        self.done_bytes = 0
        """Bytes copied so far."""
        self._source = source
        self._directory = directory
        self._draft = directory / RESTORING
        self._now = now
        self._move = move
        self._is_complete = is_complete
        self._stopping = Event()

    def stop(self) -> None:
        """End soon, and leave nothing."""
        self._stopping.set()

    def run(self, stdin: BinaryIO) -> Manifest:
        """Restore; the manifest, with the sequences that the restored log has.

        Args:
            stdin: What the source ``-`` means.

        Raises:
            NotFoundError: OBJECT_NOT_FOUND, when there is no backup.
            AlreadyExistsError: OBJECT_EXISTS, when the directory is not empty.
            PreconditionError: STORAGE_IN_USE, STORAGE_INCOMPATIBLE.
            IntegrityError: The backup is damaged.
            ResourceExhaustedError: STORAGE_FULL.
            CancelledError: After ``stop``.
        """
        made = not self._directory.exists()
        self._check_empty()
        with ExitStack() as held:
            lock = DirectoryLock(self._directory)
            held.callback(lock.release)
            self._check_empty()
            with translated(self._directory):
                self._discard_interrupted()
                try:
                    manifest = self._fill(stdin)
                    self._publish()
                except BaseException:
                    remove_files(self._draft, (*_STORE_FILES, MANIFEST_NAME))
                    if made:
                        remove_files(self._directory, (LOCK_FILE,))
                    raise
        return manifest

    def _check_empty(self) -> None:
        if not self._directory.is_dir():
            return  # made by the lock, which also refuses what is no directory
        with translated(self._directory):
            found = {entry.name for entry in self._directory.iterdir()} - _HARMLESS
        if RESTORING in found:
            found -= {RESTORING, RECORDS, PAYLOADS}
        if not found:
            return
        if (self._directory / LOCK_FILE).exists():
            DirectoryLock(self._directory).release()  # whoever holds it is the better explanation
        raise AlreadyExistsError(
            f"{self._directory} is not empty ({', '.join(sorted(found)[:5])}), and a restore overwrites nothing; "
            "choose another directory, or move its contents away",
            reason=Reason.OBJECT_EXISTS,
            directory=self._directory,
        )

    def _discard_interrupted(self) -> None:
        """Remove what an interrupted restore has left; no server has used it, for none opens such a directory."""
        if self._draft.exists():
            remove_files(self._draft, (*_STORE_FILES, MANIFEST_NAME))
            for role in (RECORDS, PAYLOADS):
                remove_files(self._directory / role, (DATA_FILE, _file.LOCK_FILE))

    def _fill(self, stdin: BinaryIO) -> Manifest:
        self._draft.mkdir(mode=0o700)
        found: list[BackupFile] = []
        data = b""
        for file in read_backup(self._source, stdin):
            if file.name == MANIFEST_NAME:
                data = b"".join(file.pieces)[:MAX_MANIFEST_BYTES]
            else:
                found.append(self._copy(file.name, file.pieces))
        if not data:
            raise IntegrityError(
                f"{self._source} is no complete backup: its {MANIFEST_NAME} is missing", path=self._source
            )
        manifest = Manifest.decode(data, self._source)
        self._compare(manifest, found)
        verify_opened(self._draft, manifest)
        return self._renumbered(manifest)

    def _copy(self, name: str, pieces: Iterator[bytes]) -> BackupFile:
        digest = hashlib.sha256()

        def watched() -> Iterator[bytes]:
            for piece in pieces:
                self._check_going_on()
                digest.update(piece)
                self.done_bytes += len(piece)
                yield piece

        size = write_file(self._draft / name, watched())
        return BackupFile(name, size, digest.hexdigest())

    def _check_going_on(self) -> None:
        if self._stopping.is_set():
            raise CancelledError("the restore was interrupted; nothing is left of it")

    def _compare(self, manifest: Manifest, found: list[BackupFile]) -> None:
        for told in manifest.files:
            read = next((file for file in found if file.name == told.name), None)
            if read != told:
                what = "is missing" if read is None else f"has {read.size:,} bytes with SHA-256 {read.sha256}"
                raise IntegrityError(
                    f"{self._source} is damaged: {told.name} {what}, and its manifest says {told.size:,} bytes with "
                    f"SHA-256 {told.sha256}; use another backup",
                    path=self._source,
                )
        if len(manifest.files) != len(found):
            raise IntegrityError(f"{self._source} is damaged: its manifest does not name its files", path=self._source)

    def _renumbered(self, manifest: Manifest) -> Manifest:
        if self._move is None:
            return manifest
        file = StoreFile(self._draft, RECORDS, writable=True)
        try:
            with file.writing() as txn:
                state = txn.get(STATE_KEY, file.meta)
                if state is not None and not self._is_complete(state):
                    return manifest  # the copy goes on with the numbers of its source, and no server answers from it
                # With numbers of its own, it is a store of its own.
                txn.delete(STATE_KEY, file.meta)
            following = first_sequence(manifest.last_sequence, self._now())
            if not Renumbering(file, following, self._move).run(self._stopping.is_set):
                self._check_going_on()
        finally:
            file.close()
        offset = following - 1 - manifest.last_sequence
        moved = Manifest(
            created_at=manifest.created_at,
            oldest_sequence=manifest.oldest_sequence + offset,
            last_sequence=manifest.last_sequence + offset,
            counts=manifest.counts,
            files=manifest.files,
        )
        verify_opened(self._draft, moved)
        return moved

    def _publish(self) -> None:
        """Give everything its place. Until the draft is gone, no server opens the directory."""
        for role in (RECORDS, PAYLOADS):
            (self._draft / role / _file.LOCK_FILE).unlink(missing_ok=True)
            flush_directory(self._draft / role)
        for role in (PAYLOADS, RECORDS):
            (self._draft / role).rename(self._directory / role)
        flush_directory(self._directory)
        self._draft.rmdir()
        flush_directory(self._directory)
