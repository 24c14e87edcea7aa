"""Files that are complete, or not there: written under a temporary name, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from flowcept.errors import AlreadyExistsError, FlowceptError, Reason, ResourceExhaustedError, UnavailableError
from flowcept_service.storage.lmdb._environment.errors import free_bytes, storage_full

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def partial_path(target: Path) -> Path:
    """The temporary name beside a target: on the same file system, so that it can be renamed."""
    return target.with_name(f".{target.name}.partial-{os.getpid()}")


def check_absent(target: Path) -> None:
    """Refuse to overwrite.

    Raises:
        AlreadyExistsError: There is something under that name.
    """
    if os.path.lexists(target):
        raise AlreadyExistsError(
            f"{target} exists, and backups overwrite nothing; choose another name, or move it away", path=target
        )


def check_room(directory: Path, needed: int) -> None:
    """Refuse what cannot fit, before hours were spent on it.

    Raises:
        ResourceExhaustedError: STORAGE_FULL.
    """
    with translated(directory):
        free = free_bytes(directory)
    if free < needed:
        raise ResourceExhaustedError(
            f"{needed:,} bytes are needed in {directory}, and {free:,} are free; nothing was changed. Free some space, "
            "or choose another disk",
            reason=Reason.STORAGE_FULL,
            directory=directory,
            needed_bytes=needed,
            free_bytes=free,
        )


def flush_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_files(directory: Path, names: tuple[str, ...]) -> None:
    """Remove named files below a directory with the directories that are empty then, and nothing else."""
    for name in names:
        (directory / name).unlink(missing_ok=True)
    for folder in sorted({(directory / name).parent for name in names} | {directory}, reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def translated(where: Path) -> Iterator[None]:
    """Inside, errors of the file system become ours."""
    try:
        yield
    except FlowceptError:
        raise  # some of ours are OSErrors too
    except OSError as error:
        if error.errno in _FULL:
            raise storage_full(where) from error
        raise UnavailableError(
            f"{where} cannot be used: {error.strerror}", reason=Reason.STORAGE_UNAVAILABLE, path=where
        ) from error
