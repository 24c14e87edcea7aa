"""The memory of one machine, as files that never reach a disk where the machine allows that."""

from __future__ import annotations

import os
import pickle
import stat
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from flowcept.compute.cluster_memory._base import ClusterMemory, Name, no_such_key
from flowcept.compute.errors import ClusterMemoryError
from flowcept.errors import InvalidArgumentError, shorten
from flowcept.pickling import dump

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - not for temporary files: the memory itself


def memory_directory() -> Path:
    """Where this user's memory is: in the machine's shared memory, or among its temporary files if it has none."""
    base = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    return base / f"flowcept-memory-{os.getuid()}"


class LocalClusterMemory(ClusterMemory):
    """Shared by all processes of one user on one machine, until the machine restarts.

    Args:
        directory: Where the values are; made when missing. It must belong to this user alone.

    Raises:
        ClusterMemoryError: Others may write to the directory, or it cannot be made.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
            found = directory.lstat()
        except OSError as error:
            raise ClusterMemoryError(f"cluster memory cannot be kept in {directory}: {error}") from error
        # Values are unpickled, which runs what they contain: nobody else may put one here.
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise ClusterMemoryError(
                f"{directory} is not this user's alone; remove it, or let whoever made it do so", directory=directory
            )

    def _put(self, name: Name, value: Any) -> None:
        try:
            with tempfile.NamedTemporaryFile(dir=self._directory, delete=False) as file:
                try:
                    dump(value, file, "value")
                    file.flush()
                    # In one step, so that readers have either value.
                    Path(file.name).replace(self._path(name))
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise ClusterMemoryError(
                f"{shorten(name[1])} cannot be kept in {self._directory}: {error}", field="value"
            ) from error
        except InvalidArgumentError as error:
            raise ClusterMemoryError(error.message, field="value") from error

    def _get(self, name: Name) -> Any:
        try:
            with self._path(name).open("rb") as file:
                return pickle.load(file)  # noqa: S301 - only this user can have put it there
        except FileNotFoundError:
            raise no_such_key(name) from None

    def _delete(self, name: Name) -> None:
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise no_such_key(name) from None

    def _exists(self, name: Name) -> bool:
        return self._path(name).exists()

    def clear(self) -> None:
        """See ``ClusterMemory.clear``."""
        # What is being put, too: whoever does learns of it, and of what a killed process has left nobody would.
        for path in self._directory.iterdir():
            path.unlink(missing_ok=True)

    def _path(self, name: Name) -> Path:
        # Digests, because keys may be longer than names of files, and contain what these must not.
        namespace, key = (sha256(part.encode()).hexdigest() for part in name)
        return self._directory / f"{namespace[:32]}-{key}"
