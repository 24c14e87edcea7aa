"""What stores refuse, in the same words everywhere."""

from __future__ import annotations

from bson import ObjectId

from flowcept.errors import (
    IntegrityError,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PreconditionError,
    Reason,
    VersionConflictError,
    shorten,
)
from flowcept_service.domain.events import EventBlock, LogBounds
from flowcept_service.domain.objects import ObjectVersion, Staging


def request_reused(request_id: str, first: str, object_id: str) -> InvalidArgumentError:
    """A ``request_id`` that has committed object ``first`` already is used for another one."""
    return InvalidArgumentError(
        f"request {shorten(request_id)} has committed object {shorten(first)}, and cannot commit {shorten(object_id)}; "
        "use another id",
        reason=Reason.UPLOAD_HEADER_CHANGED,
        field="object_id",
        request_id=request_id,
    )


def upload_of_another_object(known: Staging, object_id: str) -> InvalidArgumentError:
    """An upload is continued for another object than it was begun for."""
    return InvalidArgumentError(
        f"upload {shorten(known.upload_id)} was begun for object {shorten(known.object_id)}, not for "
        f"{shorten(object_id)}; use another upload_id",
        reason=Reason.UPLOAD_HEADER_CHANGED,
        field="object_id",
        upload_id=known.upload_id,
    )


def upload_busy(staging: Staging) -> VersionConflictError:
    """An upload was taken over, or discarded."""
    return VersionConflictError(
        f"upload {shorten(staging.upload_id)} was discarded, or is continued by another call; ask how much is staged "
        "and resume from there",
        reason=Reason.UPLOAD_BUSY,
        upload_id=staging.upload_id,
    )


def payload_gone(payload_id: ObjectId, size: int) -> VersionConflictError:
    """The bytes that are to be committed are not there (any more)."""
    return VersionConflictError(
        f"the staged bytes of payload {payload_id} were discarded, or are not {size}; upload them again",
        reason=Reason.UPLOAD_BUSY,
        payload_id=payload_id,
    )


def payload_corrupt(what: str, offset: int) -> IntegrityError:
    """Stored bytes are missing, though they should be there."""
    return IntegrityError(
        f"the stored bytes of {what} are missing from offset {offset} on; restore the store from a backup",
        reason=Reason.PAYLOAD_CORRUPT,
        offset=offset,
    )


def version_overwritten(version: ObjectVersion) -> NotFoundError:
    """A version was replaced before its reader held its bytes."""
    return NotFoundError(
        f"version {version.version} of object {shorten(version.object_id)} was overwritten or deleted; read the latest "
        "version, or save with control_version=True to keep every version",
        reason=Reason.VERSION_NOT_RETAINED,
        object_id=version.object_id,
        version=version.version,
    )


def check_held(after: int, bounds: LogBounds) -> None:
    """Raise unless the log can be read behind a sequence.

    Raises:
        OutOfRangeError: EVENTS_TRIMMED, SEQUENCE_NOT_REACHED.
    """
    # Of the first event that is wanted, not of the one before it: callers may have been asked for the former.
    if after > bounds.last:
        raise OutOfRangeError(
            f"events from {after + 1} on were asked for, and the last one is {bounds.last}; start at most at "
            f"{bounds.last + 1} (or `latest`); was the sequence taken from another server?",
            reason=Reason.SEQUENCE_NOT_REACHED,
            sequence=after,
            last_sequence=bounds.last,
        )
    if after < bounds.oldest - 1:
        raise OutOfRangeError(
            f"events from {after + 1} on were asked for, and those up to {bounds.oldest - 1} are no longer held; start "
            f"at {bounds.oldest} (or `earliest`), and read what changed before from the collections",
            reason=Reason.EVENTS_TRIMMED,
            after_sequence=after,
            oldest_sequence=bounds.oldest,
            last_sequence=bounds.last,
        )


def does_not_continue(last: int, block: EventBlock) -> PreconditionError:
    """A block that is to be copied into a log does not begin where the log ends."""
    return PreconditionError(
        f"events {block.first} to {block.last} do not continue a log that ends at {last}: this copy was written to by "
        "somebody else",
        reason=Reason.STORAGE_INCOMPATIBLE,
        last_sequence=last,
        first_sequence=block.first,
    )


def sequence_not_reached(sequence: int, last: int) -> OutOfRangeError:
    """A sequence lies beyond the log."""
    return OutOfRangeError(
        f"sequence {shorten(sequence)} lies beyond the log, whose last is {last}; was it taken from another server?",
        reason=Reason.SEQUENCE_NOT_REACHED,
        sequence=sequence,
        last_sequence=last,
    )
