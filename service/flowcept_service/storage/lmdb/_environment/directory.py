"""The data directory: made, checked, and held by one server at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from flowcept.errors import NotFoundError, PreconditionError, Reason, UnavailableError

LOCK_FILE = "flowcept.lock"
RESTORING = "restore.partial"
"""There while a backup is being restored into a data directory, and afterwards only when that was interrupted."""
COMPACTING = "compact.partial"
"""Where a compaction writes; of no use once it was interrupted."""


class DirectoryLock:
    """Holds a data directory for this process, making it when it does not exist.

    Args:
        directory: The data directory.

    Raises:
        PreconditionError: STORAGE_IN_USE, with the directory and the other server's process id.
        UnavailableError: STORAGE_UNAVAILABLE, when the directory cannot be made or written to.
    """

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UnavailableError(
                f"the data directory {directory} cannot be used: {error.strerror}; choose another one, or make it a "
                "directory that this user may write to",
                reason=Reason.STORAGE_UNAVAILABLE,
                directory=directory,
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise PreconditionError(
                f"the data directory {directory} is in use by process {holder}; stop that server, or choose another "
                "directory",
                reason=Reason.STORAGE_IN_USE,
                directory=directory,
                pid=holder,
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others have the directory. Calling it again does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class ReadersLock:
    """Taken by those who read a store's files from outside of its server, and alone by those who replace them.

    A server neither takes it nor waits for it. It is a lock of the directory itself, so that nothing has to be written.

    Args:
        directory: The data directory, or a backup.
        alone: Keep others out.

    Raises:
        NotFoundError: OBJECT_NOT_FOUND, when there is no such directory.
        PreconditionError: STORAGE_IN_USE, while somebody reads or replaces the files.
        UnavailableError: STORAGE_UNAVAILABLE, when the directory cannot be used.
    """

    def __init__(self, directory: Path, *, alone: bool = False) -> None:
        try:
            self._handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(
                f"there is no store in {directory}: no such directory",
                reason=Reason.OBJECT_NOT_FOUND,
                directory=directory,
            ) from error
        except OSError as error:
            raise UnavailableError(
                f"the data directory {directory} cannot be used: {error.strerror}",
                reason=Reason.STORAGE_UNAVAILABLE,
                directory=directory,
            ) from error
        try:
            fcntl.flock(self._handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            other = "a backup or a check reads it" if alone else "it is being compacted or repaired"
            raise PreconditionError(
                f"the data directory {directory} is in use: {other}; try again when that has ended",
                reason=Reason.STORAGE_IN_USE,
                directory=directory,
            ) from error

    def release(self) -> None:
        """Let others have it. Calling it again does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def check_restored(directory: Path) -> None:
    """Refuse a data directory into which a backup was not restored completely.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE.
    """
    if (directory / RESTORING).exists():
        raise PreconditionError(
            f"a backup was being restored into {directory}, and that was interrupted; run `flowcept-service restore` "
            "with the same directory again",
            reason=Reason.STORAGE_INCOMPATIBLE,
            directory=directory,
        )
