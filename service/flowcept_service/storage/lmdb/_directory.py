"""The data directory: made, checked, and held by one server at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from flowcept.errors import PreconditionError, Reason, UnavailableError

LOCK_FILE = "flowcept.lock"


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
