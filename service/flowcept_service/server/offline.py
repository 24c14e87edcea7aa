"""Work on the files of an embedded store, outside of a service: backup, restore, check, compaction."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flowcept.errors import InvalidArgumentError
from flowcept_service.config import ServiceSettings
from flowcept_service.events.codec import block_problem, move_sequences
from flowcept_service.replication.state import decode_state
from flowcept_service.server.stores import NO_DATABASE, now
from flowcept_service.storage.lmdb.check import Finding, StoreCheck
from flowcept_service.storage.lmdb.offline import Backup, Compaction, CutOffError, Restore

__all__ = ["CutOffError", "Finding", "StoreCheck", "open_backup", "open_check", "open_compaction", "open_restore"]

_INSTEAD: Final = {
    "backup": "back it up with MongoDB's own tools: `mongodump --oplog`, a snapshot of a member's volume, or the "
    "backup of your MongoDB operator",
    "restore": "restore it with MongoDB's own tools: `mongorestore --oplogReplay`, or the backup of your MongoDB "
    "operator",
    "check": "MongoDB checks its files itself (`db.collection.validate()`), and `flowcept-service transfer --verify` "
    "into an embedded store reads every byte and compares it with its digest",
    "compact": "MongoDB reuses freed space by itself; to give it back to the disk, use its command `compact` on one "
    "member after the other",
}


def open_backup(settings: ServiceSettings) -> Backup:
    """Begin a backup of the embedded store.

    Raises:
        InvalidArgumentError: The data is kept elsewhere.
        FlowceptError: As ``Backup``.
    """
    return Backup(_directory(settings, "backup"), now())


def open_restore(settings: ServiceSettings, source: str, *, keep_sequence: bool) -> Restore:
    """Prepare to restore a backup into the directory of the embedded store.

    Raises:
        InvalidArgumentError: The data is kept elsewhere.
    """
    return Restore(
        source,
        _directory(settings, "restore"),
        now=now,
        move=None if keep_sequence else move_sequences,
        is_complete=_is_complete,
    )


def open_compaction(settings: ServiceSettings) -> Compaction:
    """Begin a compaction of the embedded store.

    Raises:
        InvalidArgumentError: The data is kept elsewhere.
        FlowceptError: As ``Compaction``.
    """
    return Compaction(_directory(settings, "compact"))


def open_check(settings: ServiceSettings, *, repair: bool) -> StoreCheck:
    """Begin a check of the embedded store.

    Raises:
        InvalidArgumentError: The data is kept elsewhere.
        FlowceptError: As ``StoreCheck``.
    """
    return StoreCheck(_directory(settings, "check"), problem_of=block_problem, is_complete=_is_complete, repair=repair)


def _is_complete(state: bytes) -> bool:
    return decode_state(state).copying is None


def _directory(settings: ServiceSettings, command: str) -> Path:
    """The data directory.

    Raises:
        InvalidArgumentError: The first store is none in a directory.
    """
    store = settings.stores[0]
    if store == NO_DATABASE:
        raise InvalidArgumentError(
            f"the store is `none`, which keeps nothing: there is nothing to {command}", field="store"
        )
    if store != "lmdb":
        raise InvalidArgumentError(
            f"`{command}` is for the embedded store, and the data is in MongoDB; {_INSTEAD[command]}. For an embedded "
            f"copy beside it, say --store lmdb",
            field="store",
        )
    return settings.data_dir
