"""What a backup says about itself."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from flowcept.errors import IntegrityError, PreconditionError, Reason
from flowcept_service.storage.lmdb._environment.environment import SCHEMA_VERSION

MANIFEST_NAME: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 1 << 20
_FORMAT: Final = "flowcept-backup"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class BackupFile:
    """One file of a backup."""

    name: str
    """Path within the backup, with ``/``."""
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Written last: a backup that has one is complete."""

    created_at: datetime
    """The moment that the backup holds."""
    oldest_sequence: int
    """Of the events that it holds."""
    last_sequence: int
    """Sequence of the last event."""
    counts: Mapping[str, int]
    """Documents by collection, and payloads."""
    files: tuple[BackupFile, ...] = ()
    schema_version: int = SCHEMA_VERSION
    """Of the store's files."""
    format: str = field(default=_FORMAT)
    version: int = _VERSION

    def fields(self) -> dict[str, Any]:
        """As values of JSON."""
        return {**dataclasses.asdict(self), "created_at": self.created_at.isoformat()}

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(self.fields(), indent=2).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes, where: str) -> Manifest:
        """Read a manifest.

        Args:
            data: Its bytes.
            where: The backup, for messages.

        Raises:
            IntegrityError: It is none.
            PreconditionError: STORAGE_INCOMPATIBLE, when another version wrote it.
        """
        try:
            found = json.loads(data)
            if not isinstance(found, dict) or found.get("format") != _FORMAT:
                _no_manifest(where)
            if (found["version"], found["schema_version"]) != (_VERSION, SCHEMA_VERSION):
                raise PreconditionError(
                    f"{where} was made by another version of this software (backup version {found['version']}, schema "
                    f"{found['schema_version']}; this one reads {_VERSION} and {SCHEMA_VERSION}); restore it with the "
                    "version that made it",
                    reason=Reason.STORAGE_INCOMPATIBLE,
                    backup=where,
                )
            return _manifest(found)
        except (ValueError, KeyError, TypeError):
            _no_manifest(where)


def refuse_backup(directory: Path) -> None:
    """Refuse to serve from a backup: it would be none any longer, and events would get numbers that were given before.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE.
    """
    if (directory / MANIFEST_NAME).is_file():
        raise PreconditionError(
            f"{directory} is a backup, and stays one only if nothing is written to it; run `flowcept-service restore "
            f"{directory} --data-dir DIR` and serve from there",
            reason=Reason.STORAGE_INCOMPATIBLE,
            directory=directory,
        )


def _manifest(found: Mapping[str, Any]) -> Manifest:
    return Manifest(
        created_at=datetime.fromisoformat(found["created_at"]),
        oldest_sequence=int(found["oldest_sequence"]),
        last_sequence=int(found["last_sequence"]),
        counts={str(name): int(count) for name, count in found["counts"].items()},
        files=tuple(BackupFile(one["name"], int(one["size"]), one["sha256"]) for one in found["files"]),
    )


def _no_manifest(where: str) -> NoReturn:
    raise IntegrityError(f"{where} is damaged: its {MANIFEST_NAME} is not that of a backup", backup=where) from None
