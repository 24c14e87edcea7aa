import datetime

from flowcept.v1 import blob_object_pb2 as _blob_object_pb2
from flowcept.v1 import document_pb2 as _document_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Tags(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class ObjectFields(_message.Message):
    __slots__ = ("task_id", "workflow_id", "campaign_id", "type", "tags", "custom_metadata", "author", "extra")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_METADATA_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    workflow_id: str
    campaign_id: str
    type: str
    tags: Tags
    custom_metadata: _document_pb2.Document
    author: str
    extra: _document_pb2.Document
    def __init__(self, task_id: _Optional[str] = ..., workflow_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., type: _Optional[str] = ..., tags: _Optional[_Union[Tags, _Mapping]] = ..., custom_metadata: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., author: _Optional[str] = ..., extra: _Optional[_Union[_document_pb2.Document, _Mapping]] = ...) -> None: ...

class UploadRequest(_message.Message):
    __slots__ = ("header", "chunk", "commit")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    header: UploadHeader
    chunk: UploadChunk
    commit: UploadCommit
    def __init__(self, header: _Optional[_Union[UploadHeader, _Mapping]] = ..., chunk: _Optional[_Union[UploadChunk, _Mapping]] = ..., commit: _Optional[_Union[UploadCommit, _Mapping]] = ...) -> None: ...

class UploadHeader(_message.Message):
    __slots__ = ("upload_id", "object_id", "fields", "control_version", "save_data_in_collection", "pickle", "must_not_exist", "expected_version", "data_sha256", "object_size_bytes")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    CONTROL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SAVE_DATA_IN_COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PICKLE_FIELD_NUMBER: _ClassVar[int]
    MUST_NOT_EXIST_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    DATA_SHA256_FIELD_NUMBER: _ClassVar[int]
    OBJECT_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    object_id: str
    fields: ObjectFields
    control_version: bool
    save_data_in_collection: bool
    pickle: bool
    must_not_exist: bool
    expected_version: int
    data_sha256: str
    object_size_bytes: int
    def __init__(self, upload_id: _Optional[str] = ..., object_id: _Optional[str] = ..., fields: _Optional[_Union[ObjectFields, _Mapping]] = ..., control_version: bool = ..., save_data_in_collection: bool = ..., pickle: bool = ..., must_not_exist: bool = ..., expected_version: _Optional[int] = ..., data_sha256: _Optional[str] = ..., object_size_bytes: _Optional[int] = ...) -> None: ...

class UploadChunk(_message.Message):
    __slots__ = ("offset", "data")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    offset: int
    data: bytes
    def __init__(self, offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class UploadCommit(_message.Message):
    __slots__ = ("object_size_bytes", "data_sha256")
    OBJECT_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_SHA256_FIELD_NUMBER: _ClassVar[int]
    object_size_bytes: int
    data_sha256: str
    def __init__(self, object_size_bytes: _Optional[int] = ..., data_sha256: _Optional[str] = ...) -> None: ...

class UploadResponse(_message.Message):
    __slots__ = ("object", "content_known", "repeated")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_KNOWN_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    object: _blob_object_pb2.BlobObject
    content_known: bool
    repeated: bool
    def __init__(self, object: _Optional[_Union[_blob_object_pb2.BlobObject, _Mapping]] = ..., content_known: bool = ..., repeated: bool = ...) -> None: ...

class GetUploadRequest(_message.Message):
    __slots__ = ("upload_id",)
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    def __init__(self, upload_id: _Optional[str] = ...) -> None: ...

class GetUploadResponse(_message.Message):
    __slots__ = ("exists", "staged_bytes", "expire_time", "object")
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    STAGED_BYTES_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    exists: bool
    staged_bytes: int
    expire_time: _timestamp_pb2.Timestamp
    object: _blob_object_pb2.BlobObject
    def __init__(self, exists: bool = ..., staged_bytes: _Optional[int] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., object: _Optional[_Union[_blob_object_pb2.BlobObject, _Mapping]] = ...) -> None: ...

class AbortUploadRequest(_message.Message):
    __slots__ = ("upload_id",)
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    def __init__(self, upload_id: _Optional[str] = ...) -> None: ...

class AbortUploadResponse(_message.Message):
    __slots__ = ("existed",)
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    existed: bool
    def __init__(self, existed: bool = ...) -> None: ...

class DownloadRequest(_message.Message):
    __slots__ = ("object_id", "version", "offset", "length", "verified_by_reader")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    VERIFIED_BY_READER_FIELD_NUMBER: _ClassVar[int]
    object_id: str
    version: int
    offset: int
    length: int
    verified_by_reader: bool
    def __init__(self, object_id: _Optional[str] = ..., version: _Optional[int] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ..., verified_by_reader: bool = ...) -> None: ...

class DownloadResponse(_message.Message):
    __slots__ = ("object", "chunk")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    object: _blob_object_pb2.BlobObject
    chunk: DownloadChunk
    def __init__(self, object: _Optional[_Union[_blob_object_pb2.BlobObject, _Mapping]] = ..., chunk: _Optional[_Union[DownloadChunk, _Mapping]] = ...) -> None: ...

class DownloadChunk(_message.Message):
    __slots__ = ("offset", "data")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    offset: int
    data: bytes
    def __init__(self, offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class GetObjectRequest(_message.Message):
    __slots__ = ("object_id", "version", "encoding", "max_inline_bytes")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    MAX_INLINE_BYTES_FIELD_NUMBER: _ClassVar[int]
    object_id: str
    version: int
    encoding: _document_pb2.DocumentEncoding
    max_inline_bytes: int
    def __init__(self, object_id: _Optional[str] = ..., version: _Optional[int] = ..., encoding: _Optional[_Union[_document_pb2.DocumentEncoding, str]] = ..., max_inline_bytes: _Optional[int] = ...) -> None: ...

class GetObjectResponse(_message.Message):
    __slots__ = ("object", "data")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    object: _blob_object_pb2.BlobObject
    data: bytes
    def __init__(self, object: _Optional[_Union[_blob_object_pb2.BlobObject, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class ListVersionsRequest(_message.Message):
    __slots__ = ("object_id", "page_size", "page_token", "encoding")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    object_id: str
    page_size: int
    page_token: str
    encoding: _document_pb2.DocumentEncoding
    def __init__(self, object_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., encoding: _Optional[_Union[_document_pb2.DocumentEncoding, str]] = ...) -> None: ...

class ListVersionsResponse(_message.Message):
    __slots__ = ("objects", "next_page_token")
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    objects: _containers.RepeatedCompositeFieldContainer[_blob_object_pb2.BlobObject]
    next_page_token: str
    def __init__(self, objects: _Optional[_Iterable[_Union[_blob_object_pb2.BlobObject, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateObjectRequest(_message.Message):
    __slots__ = ("object_id", "fields", "control_version", "expected_version", "request_id", "encoding")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    CONTROL_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    object_id: str
    fields: ObjectFields
    control_version: bool
    expected_version: int
    request_id: str
    encoding: _document_pb2.DocumentEncoding
    def __init__(self, object_id: _Optional[str] = ..., fields: _Optional[_Union[ObjectFields, _Mapping]] = ..., control_version: bool = ..., expected_version: _Optional[int] = ..., request_id: _Optional[str] = ..., encoding: _Optional[_Union[_document_pb2.DocumentEncoding, str]] = ...) -> None: ...

class UpdateObjectResponse(_message.Message):
    __slots__ = ("object",)
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    object: _blob_object_pb2.BlobObject
    def __init__(self, object: _Optional[_Union[_blob_object_pb2.BlobObject, _Mapping]] = ...) -> None: ...

class DeleteObjectRequest(_message.Message):
    __slots__ = ("object_id", "expected_version")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    object_id: str
    expected_version: int
    def __init__(self, object_id: _Optional[str] = ..., expected_version: _Optional[int] = ...) -> None: ...

class DeleteObjectResponse(_message.Message):
    __slots__ = ("object",)
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    object: _blob_object_pb2.BlobObject
    def __init__(self, object: _Optional[_Union[_blob_object_pb2.BlobObject, _Mapping]] = ...) -> None: ...
