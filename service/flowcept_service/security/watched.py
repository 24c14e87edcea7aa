"""Files that are replaced while the service runs, as secrets and certificates are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

import structlog

from flowcept.errors import InvalidArgumentError

T = TypeVar("T")
Stamp = tuple[tuple[int, int, int, int] | None, ...]

_log = structlog.get_logger(__name__)


class Watched(Generic[T]):
    """What some files hold, made anew when they change; a change that is broken is logged, and the old value stays.

    Every look asks the file system, through symbolic links: a file system call costs a microsecond, and Kubernetes
    replaces mounted secrets by pointing a link elsewhere, which leaves the files themselves as they were.

    Args:
        what: What the files are, for the log.
        files: Their paths.
        make: Makes the value of the files' bytes, in their order. Raises InvalidArgumentError when they are broken.

    Raises:
        InvalidArgumentError: The files are broken from the start.
    """

    def __init__(self, what: str, files: Sequence[Path], make: Callable[[Sequence[bytes]], T]) -> None:
        self._what = what
        self._files = files
        self._make = make
        self._lock = Lock()
        self._stamp = self._look()
        self._value = make(self._read())

    def current(self) -> T:
        """The value, of the files as they are now, or as they last were in order."""
        # Whoever comes while another thread reads takes the value as it was, instead of waiting for a slow disk.
        if self._look() != self._stamp and self._lock.acquire(blocking=False):
            try:
                self._reload()
            finally:
                self._lock.release()
        return self._value

    def _reload(self) -> None:
        # Looked at before reading: whatever changes from now on is seen the next time.
        self._stamp = self._look()
        files = [str(file) for file in self._files]
        try:
            self._value = self._make(self._read())
        except InvalidArgumentError as error:
            _log.error(
                "a replacement is broken, and what was there before stays in use", what=self._what, error=error.message
            )
        else:
            _log.info("replaced", what=self._what, files=files)

    def _look(self) -> Stamp:
        return tuple(_stamp(file) for file in self._files)

    def _read(self) -> list[bytes]:
        return [read_file(self._what, file) for file in self._files]


def read_file(what: str, file: Path) -> bytes:
    """The bytes of a file. Raises InvalidArgumentError that says what it is wanted for."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidArgumentError(
            f"{what}: {file} cannot be read ({error.strerror or error}); correct the path, or its permissions",
            field=what,
            value=file,
        ) from None


def _stamp(file: Path) -> tuple[int, int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_dev, status.st_size
