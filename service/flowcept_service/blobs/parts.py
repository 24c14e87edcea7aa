"""What an upload consists of, and what it ends in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flowcept_service.domain.objects import ObjectFields, ObjectVersion, Precondition
from flowcept_service.storage.contract import Chunk

_NO_CONDITION = Precondition()


@dataclass(frozen=True, slots=True)
class UploadHeader:
    """What is uploaded, and under which conditions; see ``UploadHeader`` in the contract."""

    upload_id: str
    object_id: str
    """Empty: the service makes one."""
    fields: ObjectFields
    author: str | None = None
    control_version: bool = False
    save_data_in_collection: bool = False
    pickle: bool = False
    precondition: Precondition = _NO_CONDITION
    data_sha256: str | None = None
    object_size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class UploadChunk:
    """Consecutive bytes of the payload."""

    offset: int
    data: Chunk


@dataclass(frozen=True, slots=True)
class UploadCommit:
    """The promise that the payload is complete."""

    object_size_bytes: int
    data_sha256: str


UploadPart = UploadHeader | UploadChunk | UploadCommit
UploadMessage = tuple[UploadPart, ...]
"""The parts that one message carries, in their order."""


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The version that an upload made."""

    object: ObjectVersion
    content_known: bool = False
    """Whether the store held the content already, so that the bytes were not needed."""
    repeated: bool = False
    """Whether an earlier call with the same ``upload_id`` had committed it."""


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """How far an upload has come."""

    exists: bool
    """Whether it is staged or committed."""
    staged_bytes: int
    """The offset at which to continue."""
    expires: datetime | None
    """When staged bytes are dropped unless more arrive."""
    object: ObjectVersion | None
    """What it was committed as."""
