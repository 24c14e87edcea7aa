"""Blob messages between the wire and the domain."""

from __future__ import annotations

from flowcept.codec import decode_document, encode_bson, encode_timestamp, wire_document
from flowcept.framing import decode_chunk, encode_chunk
from flowcept.v1 import blob_object_pb2, blob_store_service_pb2
from flowcept.v1.document_pb2 import DocumentEncoding
from flowcept_service.blobs.downloads import Beginning, DownloadRange, Piece
from flowcept_service.blobs.parts import (
    UploadChunk,
    UploadCommit,
    UploadHeader,
    UploadMessage,
    UploadPart,
    UploadResult,
    UploadStatus,
)
from flowcept_service.domain.objects import HASH_ALGORITHM, ObjectFields, ObjectVersion, Precondition
from flowcept_service.query import CODEC_OPTIONS
from flowcept_service.rpc.provenance_documents import MAX_JSON_BYTES, wants_json

_LINKS = ("prev_version", "task_id", "workflow_id", "campaign_id", "type", "created_by", "updated_by")
"""Optional fields that have the same name and form on both sides."""


def decode_upload(message: bytes) -> UploadMessage:
    """The parts of one message of an upload.

    Raises:
        InvalidArgumentError: INVALID_DOCUMENT, INVALID_FIELD.
        DecodeError: It is no message of an upload.
    """
    chunk = decode_chunk(message)
    if chunk is not None:
        return (UploadChunk(*chunk),)
    request = blob_store_service_pb2.UploadRequest.FromString(message)
    parts: list[UploadPart] = []
    if request.HasField("header"):
        parts.append(_header(request.header))
    if request.HasField("chunk"):
        parts.append(UploadChunk(request.chunk.offset, request.chunk.data))
    if request.HasField("commit"):
        parts.append(UploadCommit(request.commit.object_size_bytes, request.commit.data_sha256))
    return tuple(parts)


def encode_upload_result(result: UploadResult) -> blob_store_service_pb2.UploadResponse:
    """The answer to an upload."""
    return blob_store_service_pb2.UploadResponse(
        object=encode_version(result.object), content_known=result.content_known, repeated=result.repeated
    )


def encode_upload_status(status: UploadStatus) -> blob_store_service_pb2.GetUploadResponse:
    """The state of an upload."""
    return blob_store_service_pb2.GetUploadResponse(
        exists=status.exists,
        staged_bytes=status.staged_bytes,
        expire_time=None if status.expires is None else encode_timestamp(status.expires),
        object=None if status.object is None else encode_version(status.object),
    )


def decode_range(request: blob_store_service_pb2.DownloadRequest) -> DownloadRange:
    """Which bytes are wanted."""
    return DownloadRange(
        request.object_id,
        request.version if request.HasField("version") else None,
        request.offset,
        request.length if request.HasField("length") else None,
        request.verified_by_reader,
    )


def encode_download(part: Beginning | Piece) -> bytes:
    """One message of a download, as it travels."""
    if isinstance(part, Piece):
        return encode_chunk(part.offset, *part.parts)
    message = blob_store_service_pb2.DownloadResponse(object=encode_version(part.version)).SerializeToString()
    # Two encoded messages one behind the other are the message that has the fields of both.
    return message if part.piece is None else message + encode_download(part.piece)


def encode_version(
    version: ObjectVersion, encoding: DocumentEncoding = DocumentEncoding.DOCUMENT_ENCODING_BSON
) -> blob_object_pb2.BlobObject:
    """One version of an object, with its documents in the wanted encoding.

    Where they would be too long for a message as JSON they stay BSON, as which they always fit.
    """
    message = blob_object_pb2.BlobObject(
        object_id=version.object_id,
        version=version.version,
        tags=version.tags or (),
        object_size_bytes=version.object_size_bytes,
        data_sha256=version.data_sha256,
        data_hash_algo=HASH_ALGORITHM,
        control_version=version.control_version,
        save_data_in_collection=version.save_data_in_collection,
        pickle=version.pickle,
        **{name: value for name in _LINKS if (value := getattr(version, name)) is not None},
    )
    for name in ("created_at", "updated_at"):
        moment = getattr(version, name)
        if moment is not None:
            getattr(message, name).CopyFrom(encode_timestamp(moment))
    if version.custom_metadata is not None:
        message.custom_metadata.CopyFrom(wire_document(encode_bson(version.custom_metadata), encoding))
    if version.extra:
        message.extra.CopyFrom(wire_document(encode_bson(version.extra), encoding))
    if encoding == DocumentEncoding.DOCUMENT_ENCODING_JSON and message.ByteSize() > MAX_JSON_BYTES:
        return encode_version(version)
    return message


def version_size(version: ObjectVersion, encoding: DocumentEncoding) -> int:
    """The bytes that a version takes in a message."""
    return encode_version(version, encoding).ByteSize()


def decode_fields(fields: blob_store_service_pb2.ObjectFields) -> tuple[ObjectFields, str | None]:
    """What a caller says about a version, and who says it.

    Raises:
        InvalidArgumentError: INVALID_DOCUMENT.
    """
    given = {
        name: getattr(fields, name)
        for name in ("task_id", "workflow_id", "campaign_id", "type")
        if fields.HasField(name)
    }
    decoded = ObjectFields(
        **given,
        tags=tuple(fields.tags.values) if fields.HasField("tags") else None,
        custom_metadata=decode_document(fields.custom_metadata, "fields.custom_metadata", CODEC_OPTIONS),
        extra=decode_document(fields.extra, "fields.extra", CODEC_OPTIONS),
    )
    return decoded, fields.author if fields.HasField("author") else None


def decode_encoding(encoding: DocumentEncoding) -> DocumentEncoding:
    """The encoding in which documents are wanted; asked for before anything is changed.

    Raises:
        InvalidArgumentError: INVALID_FIELD, for a number that is no encoding.
    """
    return DocumentEncoding.DOCUMENT_ENCODING_JSON if wants_json(encoding) else DocumentEncoding.DOCUMENT_ENCODING_BSON


def decode_expected_version(
    request: blob_store_service_pb2.UpdateObjectRequest | blob_store_service_pb2.DeleteObjectRequest,
) -> Precondition:
    """The condition of a change."""
    return Precondition(expected_version=request.expected_version if request.HasField("expected_version") else None)


def _header(header: blob_store_service_pb2.UploadHeader) -> UploadHeader:
    fields, author = decode_fields(header.fields)
    condition = header.WhichOneof("precondition")
    return UploadHeader(
        upload_id=header.upload_id,
        object_id=header.object_id,
        fields=fields,
        author=author,
        control_version=header.control_version,
        save_data_in_collection=header.save_data_in_collection,
        pickle=header.pickle,
        precondition=Precondition(
            must_not_exist=header.must_not_exist,
            expected_version=header.expected_version if condition == "expected_version" else None,
        ),
        data_sha256=header.data_sha256 if header.HasField("data_sha256") else None,
        object_size_bytes=header.object_size_bytes if header.HasField("object_size_bytes") else None,
    )
