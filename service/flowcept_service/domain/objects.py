"""Versioned objects: their metadata, and the rules by which one version follows another.

The rules are pure functions, so that every store applies the same ones inside its own transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from bson import ObjectId

from flowcept.errors import AlreadyExistsError, NotFoundError, PreconditionError, Reason, VersionConflictError, shorten
from flowcept_service.domain.campaigns import Campaigns, campaign_denied, permits
from flowcept_service.domain.events import EventAction

HASH_ALGORITHM = "sha256"


@dataclass(frozen=True, slots=True)
class Payload:
    """Stored bytes, immutable, shared by the versions that refer to them."""

    payload_id: ObjectId
    """Names the bytes in the payload store; its timestamp is when they began to be staged."""
    size: int
    sha256: str
    inline: bytes | None = None
    """The bytes themselves, where the store keeps them in the object's document; None where they are out of line."""


@dataclass(frozen=True, slots=True)
class Staging:
    """An upload that is not committed yet."""

    upload_id: str
    object_id: str
    payload_id: ObjectId
    size: int
    """Bytes staged durably."""
    epoch: int
    """Rises with each ``stage``; an older holder can no longer append."""
    updated_at: datetime
    owner: str = ""
    """Name of the principal that began it, whose quota it takes from."""


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object: all that is known but the bytes. Field names are those of the stored document."""

    object_id: str
    version: int
    object_size_bytes: int
    data_sha256: str
    created_at: datetime | None
    updated_at: datetime | None
    payload_id: ObjectId | None
    """None only for documents of other writers that keep the bytes in ``data``."""
    prev_version: int | None = None
    task_id: str | None = None
    workflow_id: str | None = None
    campaign_id: str | None = None
    type: str | None = None
    tags: tuple[str, ...] | None = None
    custom_metadata: Mapping[str, Any] | None = None
    created_by: str | None = None
    updated_by: str | None = None
    control_version: bool = False
    save_data_in_collection: bool = False
    pickle: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Fields that this version of the software does not know; kept."""


@dataclass(frozen=True, slots=True)
class ObjectFields:
    """What a caller says about a version. None means not given: an update keeps the value."""

    task_id: str | None = None
    workflow_id: str | None = None
    campaign_id: str | None = None
    type: str | None = None
    tags: tuple[str, ...] | None = None
    custom_metadata: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] | None = None

    def given(self) -> dict[str, Any]:
        """The fields that are given, by name."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must hold of the object when a change commits. At most one of the first two is set."""

    must_not_exist: bool = False
    expected_version: int | None = None
    campaigns: Campaigns = None
    """The campaigns that the caller is confined to: the object must be in one of them, before and behind the change."""

    def check(self, object_id: str, current: ObjectVersion | None) -> None:
        """Raise unless the condition holds.

        Raises:
            AlreadyExistsError: OBJECT_EXISTS.
            VersionConflictError: VERSION_CONFLICT.
        """
        version = None if current is None else current.version
        if self.must_not_exist and current is not None:
            raise AlreadyExistsError(
                f"object {shorten(object_id)} exists already, with version {version}; choose another object_id, or "
                "leave must_not_exist out to add a version",
                object_id=object_id,
                current_version=version,
            )
        if self.expected_version is not None and self.expected_version != version:
            state = "does not exist" if version is None else f"has version {version}"
            raise VersionConflictError(
                f"object {shorten(object_id)} {state}, not version {self.expected_version} as expected_version says; "
                "read it again and decide anew",
                object_id=object_id,
                expected_version=self.expected_version,
                current_version="" if version is None else version,
            )


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """A change to one object: a new payload, or new metadata for the payload it has."""

    object_id: str
    fields: ObjectFields
    control_version: bool
    request_id: str
    """The ``upload_id`` or ``request_id``: a change that was committed under it is not repeated. Empty: no check."""
    now: datetime
    author: str | None = None
    precondition: Precondition = Precondition()
    payload: Payload | None = None
    """The new bytes; None keeps those of the latest version (a metadata update)."""
    save_data_in_collection: bool = False
    pickle: bool = False


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What a transaction has to do for an ObjectChange."""

    new: ObjectVersion
    retained: ObjectVersion | None
    """The previous version, to be appended to the history; None when it is not kept (or there was none)."""
    action: EventAction


@dataclass(frozen=True, slots=True)
class CommitResult:
    """A committed version."""

    object: ObjectVersion
    sequence: int
    """Sequence of its event; 0 when ``repeated``."""
    repeated: bool = False
    """Whether an earlier change with the same ``request_id`` had committed it."""


def plan_change(current: ObjectVersion | None, change: ObjectChange) -> PlannedChange:
    """The version that follows ``current``.

    An object whose history is controlled stays so: a later save without ``control_version`` adds a version like any
    other, so that no version ever disappears from a history.

    Raises:
        AlreadyExistsError, VersionConflictError: the precondition does not hold.
        NotFoundError: a metadata update of an object that does not exist, or that the caller may not know of.
        PermissionDeniedError: CAMPAIGN_DENIED, for an object that would be, or is, in another campaign.
    """
    campaigns = change.precondition.campaigns
    if current is not None and not permits(campaigns, current.campaign_id):
        if change.payload is not None:
            # The name is taken, so the refusal tells that; and nothing else, so it comes before the precondition's.
            raise campaign_denied(change.fields.campaign_id)
        current = None  # which refuses the update of an object that does not exist
    change.precondition.check(change.object_id, current)
    planned = _planned(current, change)
    if not permits(campaigns, planned.new.campaign_id):
        raise campaign_denied(planned.new.campaign_id)
    return planned


def _planned(current: ObjectVersion | None, change: ObjectChange) -> PlannedChange:
    payload = change.payload
    given = change.fields.given()
    if current is None:
        if payload is None:
            raise object_not_found(change.object_id)
        new = ObjectVersion(
            object_id=change.object_id,
            version=0,
            object_size_bytes=payload.size,
            data_sha256=payload.sha256,
            created_at=change.now,
            created_by=change.author,
            updated_at=change.now,
            updated_by=change.author,
            payload_id=payload.payload_id,
            control_version=change.control_version,
            save_data_in_collection=change.save_data_in_collection,
            pickle=change.pickle,
            **given,
        )
        return PlannedChange(new, None, EventAction.CREATED)
    controlled = current.control_version or change.control_version
    if "extra" in given:
        given["extra"] = {**current.extra, **given["extra"]}
    new = replace(
        current,
        version=current.version + 1,
        prev_version=current.version,
        # A clock that steps back must not make history run backwards.
        updated_at=change.now if current.updated_at is None else max(change.now, current.updated_at),
        updated_by=change.author,
        control_version=controlled,
        **given,
    )
    if payload is None:
        return PlannedChange(new, current if controlled else None, EventAction.METADATA_UPDATED)
    new = replace(
        new,
        object_size_bytes=payload.size,
        data_sha256=payload.sha256,
        payload_id=payload.payload_id,
        save_data_in_collection=change.save_data_in_collection,
        pickle=change.pickle,
    )
    return PlannedChange(new, current if controlled else None, EventAction.UPDATED)


def check_deletable(object_id: str, current: ObjectVersion | None, precondition: Precondition) -> ObjectVersion:
    """The version that may be deleted.

    Raises:
        NotFoundError: OBJECT_NOT_FOUND.
        VersionConflictError: VERSION_CONFLICT.
        PreconditionError: HISTORY_PROTECTED.
    """
    if current is None or not permits(precondition.campaigns, current.campaign_id):
        raise object_not_found(object_id)
    precondition.check(object_id, current)
    if current.control_version:
        raise PreconditionError(
            f"object {shorten(object_id)} is under version control, and history is append-only: it cannot be deleted",
            reason=Reason.HISTORY_PROTECTED,
            object_id=object_id,
        )
    return current


def object_not_found(object_id: str) -> NotFoundError:
    """The error for an object that does not exist."""
    return NotFoundError(f"there is no object {shorten(object_id)}", object_id=object_id)


def version_not_found(object_id: str, version: int, current: ObjectVersion) -> NotFoundError:
    """The error for a version of an existing object that is not there (any more)."""
    if version > current.version:
        return NotFoundError(
            f"object {shorten(object_id)} has no version {version} yet; its latest is {current.version}",
            reason=Reason.VERSION_NOT_FOUND,
            object_id=object_id,
            version=version,
            current_version=current.version,
        )
    return NotFoundError(
        f"version {version} of object {shorten(object_id)} was overwritten; its latest is {current.version}. Save with "
        "control_version=True to keep every version",
        reason=Reason.VERSION_NOT_RETAINED,
        object_id=object_id,
        version=version,
        current_version=current.version,
    )
