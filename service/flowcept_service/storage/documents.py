"""Object versions as stored documents: one layout for every store, the one that Flowcept 0.10 gives its documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import bson
from bson.errors import InvalidDocument

from flowcept.errors import InvalidArgumentError, Reason
from flowcept_service.domain.objects import HASH_ALGORITHM, ObjectVersion
from flowcept_service.domain.records import Document
from flowcept_service.query import decode

OUT_OF_LINE_FIELD: Final = "grid_fs_file_id"
"""Refers to the payload of a version whose bytes lie outside of the document."""
IN_OBJECT_FIELD: Final = "payload_id"
"""Likewise when the caller asked for the bytes in the document: Flowcept expects no ``grid_fs_file_id`` then."""
DATA_FIELD: Final = "data"
"""Where a document carries the bytes themselves; never part of a version or a query result."""

_SAME_NAME: Final = (
    "task_id",
    "workflow_id",
    "campaign_id",
    "type",
    "tags",
    "custom_metadata",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
)
"""Optional fields; left out of the document when None."""
_KNOWN: Final = frozenset(_SAME_NAME) | {
    "_id",
    "object_id",
    "version",
    "prev_version",
    "object_size_bytes",
    "data_sha256",
    "data_hash_algo",
    "control_version",
    "save_data_in_collection",
    "pickle",
    OUT_OF_LINE_FIELD,
    IN_OBJECT_FIELD,
    DATA_FIELD,
}


def version_to_document(version: ObjectVersion) -> Document:
    """The document of a version, without bytes."""
    document: Document = {
        "object_id": version.object_id,
        "version": version.version,
        "prev_version": version.prev_version,
    }
    for name in _SAME_NAME:
        value = getattr(version, name)
        if value is not None:
            document[name] = list(value) if name == "tags" else value
    document["object_size_bytes"] = version.object_size_bytes
    document["data_sha256"] = version.data_sha256
    document["data_hash_algo"] = HASH_ALGORITHM
    document["control_version"] = version.control_version
    document["save_data_in_collection"] = version.save_data_in_collection
    document["pickle"] = version.pickle
    if version.payload_id is not None:
        document[IN_OBJECT_FIELD if version.save_data_in_collection else OUT_OF_LINE_FIELD] = version.payload_id
    document.update((key, value) for key, value in version.extra.items() if key not in _KNOWN)
    return document


def document_to_version(document: Mapping[str, Any]) -> ObjectVersion:
    """The version that a document describes; only ``object_id`` must be there."""
    tags = document.get("tags")
    payload_id = document.get(OUT_OF_LINE_FIELD)
    in_object = bool(document.get("save_data_in_collection", payload_id is None))
    optional = {name: document.get(name) for name in _SAME_NAME if name != "tags"}
    return ObjectVersion(
        object_id=document["object_id"],
        version=document.get("version", 0),
        prev_version=document.get("prev_version"),
        object_size_bytes=document.get("object_size_bytes") or 0,
        data_sha256=document.get("data_sha256") or "",
        payload_id=payload_id if payload_id is not None else document.get(IN_OBJECT_FIELD),
        tags=None if tags is None else tuple(tags),
        control_version=bool(document.get("control_version", False)),
        save_data_in_collection=in_object,
        pickle=bool(document.get("pickle", False)),
        extra={key: value for key, value in document.items() if key not in _KNOWN},
        **optional,
    )


def encode_document(document: Mapping[str, Any]) -> bytes:
    """A document as BSON.

    Raises:
        InvalidArgumentError: INVALID_DOCUMENT, when BSON cannot hold it (integers over 64 bits, say).
    """
    try:
        return bson.encode(document)
    except (InvalidDocument, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"BSON cannot hold the document: {error}; it takes integers up to 64 bits and keys that are strings",
            reason=Reason.INVALID_DOCUMENT,
        ) from error


def decode_version(data: bytes) -> ObjectVersion:
    """The version that a BSON document describes; its times are aware, in UTC."""
    return document_to_version(decode(data))
