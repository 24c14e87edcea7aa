"""Checks of what callers say about objects and uploads; each names the field, the value and the remedy."""

from __future__ import annotations

import re
from dataclasses import fields as dataclass_fields

import bson

from flowcept.errors import IntegrityError, InvalidArgumentError, OutOfRangeError, Reason, shorten
from flowcept_service.blobs.parts import UploadCommit, UploadHeader
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.domain.limits import check_record_size
from flowcept_service.domain.objects import ObjectFields, ObjectVersion, Precondition

_RESERVED = frozenset(field.name for field in dataclass_fields(ObjectVersion)) | {
    "_id",
    "data",
    "data_hash_algo",
    "grid_fs_file_id",
}
"""Names that the stored document of a version has a meaning for."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_header(header: UploadHeader) -> None:
    """Refuse a header that can never lead to a version.

    Raises:
        InvalidArgumentError: INVALID_IDENTIFIER, INVALID_FIELD.
    """
    check_identifier("upload_id", header.upload_id)
    if header.object_id:
        check_identifier("object_id", header.object_id)
    check_fields(header.fields, header.author)
    check_precondition(header.precondition)
    if header.object_size_bytes is not None:
        check_count("object_size_bytes", header.object_size_bytes)
    if header.data_sha256 is not None:
        check_digest("data_sha256", header.data_sha256)
        if header.object_size_bytes is None:
            raise InvalidArgumentError(
                "data_sha256 is given without object_size_bytes; give both, or neither",
                field="object_size_bytes",
            )


def check_commit(commit: UploadCommit) -> None:
    """Refuse a malformed promise. Raises InvalidArgumentError (INVALID_FIELD)."""
    check_count("commit.object_size_bytes", commit.object_size_bytes)
    check_digest("commit.data_sha256", commit.data_sha256)


def check_fields(fields: ObjectFields, author: str | None) -> None:
    """Refuse labels and links that no store could index, extra fields that are no extra ones, and too much of them.

    Raises:
        InvalidArgumentError: INVALID_IDENTIFIER, INVALID_FIELD, RECORD_TOO_LARGE.
    """
    for name in ("task_id", "workflow_id", "campaign_id", "type"):
        value = getattr(fields, name)
        if value is not None:
            check_identifier(f"fields.{name}", value)
    if author is not None:
        check_identifier("fields.author", author)
    for name in fields.extra or ():
        if name in _RESERVED:
            raise InvalidArgumentError(
                f"fields.extra has the key {name!r}, which is a field of its own; set that field, or take another key",
                field=f"fields.extra.{name}",
                value=name,
            )
    # The store checks the whole record when it commits; this spares the bytes of an upload that could not be committed.
    check_record_size(bson.encode(fields.given()))


def check_precondition(precondition: Precondition) -> None:
    """Refuse a version that cannot be. Raises InvalidArgumentError (INVALID_FIELD)."""
    if precondition.expected_version is not None:
        check_count("expected_version", precondition.expected_version)


def check_count(field: str, value: int) -> None:
    """Refuse a negative number. Raises InvalidArgumentError (INVALID_FIELD)."""
    if value < 0:
        raise InvalidArgumentError(f"{field} is {value}; it must be 0 or more", field=field, value=value)


def check_digest(field: str, value: str) -> None:
    """Refuse what is no SHA-256 digest. Raises InvalidArgumentError (INVALID_FIELD)."""
    if not _DIGEST.fullmatch(value):
        raise InvalidArgumentError(
            f"{field} is {shorten(value, 80)}; it must be a SHA-256 digest: 64 lower-case hexadecimal digits",
            field=field,
            value=shorten(value, 80),
        )


def check_offset(offset: int, expected: int) -> None:
    """Refuse a chunk that is not the next one. Raises OutOfRangeError (UPLOAD_OFFSET_MISMATCH)."""
    if offset != expected:
        raise OutOfRangeError(
            f"the chunk begins at {offset}, and the next byte of this upload is {expected}; continue from there",
            reason=Reason.UPLOAD_OFFSET_MISMATCH,
            offset=offset,
            expected_offset=expected,
        )


def check_in_object(size: int, limit: int) -> None:
    """Refuse a payload too large for its document. Raises InvalidArgumentError (PAYLOAD_TOO_LARGE_FOR_OBJECT)."""
    if size > limit:
        raise InvalidArgumentError(
            f"a payload of {size} bytes or more does not fit into its object's document, whose limit is {limit}; store "
            "it out of line (save_data_in_collection=False)",
            reason=Reason.PAYLOAD_TOO_LARGE_FOR_OBJECT,
            field="save_data_in_collection",
            limit=limit,
            size=size,
        )


def check_upload_size(size: int, limit: int) -> None:
    """Refuse a payload that is larger than the service takes; ``limit`` 0: any. Raises InvalidArgumentError."""
    if limit and size > limit:
        raise InvalidArgumentError(
            f"a payload of {size} bytes or more is larger than the {limit} that this service takes; save it in parts, "
            "as several objects, or ask whoever runs the service for a higher limit",
            reason=Reason.UPLOAD_TOO_LARGE,
            field="object_size_bytes",
            limit=limit,
            size=size,
        )


def check_size_promise(promised: int, received: int) -> None:
    """Refuse a payload of another size than promised. Raises IntegrityError (SIZE_MISMATCH)."""
    if promised != received:
        raise IntegrityError(
            f"{promised} bytes were promised and {received} arrived; nothing was stored, upload the payload again",
            reason=Reason.SIZE_MISMATCH,
            promised=promised,
            received=received,
        )


def check_digest_promise(promised: str, received: str) -> None:
    """Refuse a payload of another digest than promised. Raises IntegrityError (DIGEST_MISMATCH)."""
    if promised != received:
        raise IntegrityError(
            f"the SHA-256 of what arrived is {received}, and {promised} was promised: the bytes changed on the way or "
            "while they were read; nothing was stored, upload the payload again",
            reason=Reason.DIGEST_MISMATCH,
            promised=promised,
            received=received,
        )
