"""Between the contract's messages and what callers see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowcept.checks import text
from flowcept.codec import decode_document, decode_timestamp, encode_document
from flowcept.errors import wrong_type
from flowcept.v1 import blob_object_pb2
from flowcept.v1 import blob_store_service_pb2 as pb

_OPTIONAL = ("prev_version", "task_id", "workflow_id", "campaign_id", "type", "created_by", "updated_by")


def blob_fields(message: blob_object_pb2.BlobObject) -> dict[str, Any]:
    """The fields of a version, under the names of the schema."""
    fields: dict[str, Any] = {"object_id": message.object_id, "version": message.version}
    fields.update({name: getattr(message, name) for name in _OPTIONAL if message.HasField(name)})
    if message.tags:
        fields["tags"] = list(message.tags)
    if message.HasField("custom_metadata"):
        fields["custom_metadata"] = decode_document(message.custom_metadata, "custom_metadata")
    for name in ("created_at", "updated_at"):
        if message.HasField(name):
            fields[name] = decode_timestamp(getattr(message, name), name)
    fields["object_size_bytes"] = message.object_size_bytes
    if message.data_sha256:
        fields["data_sha256"] = message.data_sha256
        fields["data_hash_algo"] = message.data_hash_algo
    fields["storage_type"] = "in_object" if message.save_data_in_collection else "gridfs"
    fields["control_version"] = message.control_version
    fields["pickle"] = message.pickle
    if message.HasField("extra"):
        # A field of ours wins over one of the same name that somebody else wrote.
        fields = (decode_document(message.extra, "extra") or {}) | fields
    return fields


def object_fields(
    *,
    task_id: object = None,
    workflow_id: object = None,
    campaign_id: object = None,
    type: object = None,
    tags: object = None,
    custom_metadata: object = None,
    author: str | None = None,
) -> pb.ObjectFields:
    """What a caller says about a version; None means not given.

    Raises:
        InvalidArgumentError: A value has the wrong type, or the metadata holds what BSON cannot; the path is named.
    """
    fields = pb.ObjectFields(author=author)
    texts = {"task_id": task_id, "workflow_id": workflow_id, "campaign_id": campaign_id, "type": type}
    for name, value in texts.items():
        if value is not None:
            setattr(fields, name, text(name, value))
    if tags is not None:
        if isinstance(tags, str) or not isinstance(tags, Sequence):
            raise wrong_type("tags", tags, "a list of strings")
        # A message field must exist to be sent: an empty list replaces the labels by none.
        fields.tags.SetInParent()
        fields.tags.values.extend(text(f"tags.{index}", value) for index, value in enumerate(tags))
    if custom_metadata is not None:
        if not isinstance(custom_metadata, Mapping):
            raise wrong_type("custom_metadata", custom_metadata, "a dictionary")
        fields.custom_metadata.CopyFrom(encode_document(custom_metadata, "custom_metadata"))
    return fields


def version_number(field: str, value: object) -> int | None:
    """The value, which must be a version or None.

    Raises:
        InvalidArgumentError: It is neither.
    """
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise wrong_type(field, value, "a version: a whole number of 0 or more, below 2**63")
    return value
