"""What LMDB's errors mean to a caller."""

from __future__ import annotations

import os
from pathlib import Path

import lmdb

from flowcept.errors import FlowceptError, PreconditionError, Reason, ResourceExhaustedError, UnavailableError

FULL_TEXTS = ("No space left on device", "Disk quota exceeded", "File too large")
SHORT_WRITE_TEXT = "Input/output error"
"""LMDB reports a write that was cut short, by a full disk for one, as this."""
NEARLY_FULL_BYTES = 32 << 20
INCOMPATIBLE = (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.IncompatibleError, lmdb.CorruptedError)


def free_bytes(directory: Path) -> int:
    """Bytes that this process may still write to the directory's file system."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def storage_full(directory: Path) -> ResourceExhaustedError:
    """The error for a full disk."""
    return ResourceExhaustedError(
        f"the disk that holds {directory} is full; nothing was changed. Free some space and repeat the call",
        reason=Reason.STORAGE_FULL,
        directory=directory,
    )


def storage_closed(directory: Path) -> UnavailableError:
    """The error for calls after ``close``."""
    return UnavailableError(
        f"the store in {directory} was closed", reason=Reason.STORAGE_UNAVAILABLE, directory=directory
    )


def translate(error: lmdb.Error, directory: Path) -> FlowceptError:
    """The error of ours for one of LMDB's."""
    text = str(error)
    short_write = SHORT_WRITE_TEXT in text and free_bytes(directory) < NEARLY_FULL_BYTES
    if isinstance(error, lmdb.DiskError) or short_write or any(full in text for full in FULL_TEXTS):
        return storage_full(directory)
    if isinstance(error, INCOMPATIBLE):
        return PreconditionError(
            f"{directory} holds a database that this version cannot read ({text}); restore it from a backup, or choose "
            "another data directory",
            reason=Reason.STORAGE_INCOMPATIBLE,
            directory=directory,
        )
    return UnavailableError(
        f"the database in {directory} failed: {text}", reason=Reason.STORAGE_UNAVAILABLE, directory=directory
    )
