import datetime

from flowcept.v1 import document_pb2 as _document_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BlobObject(_message.Message):
    __slots__ = ("object_id", "version", "prev_version", "task_id", "workflow_id", "campaign_id", "type", "tags", "custom_metadata", "created_at", "created_by", "updated_at", "updated_by", "object_size_bytes", "data_sha256", "data_hash_algo", "control_version", "save_data_in_collection", "pickle", "extra")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PREV_VERSION_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_METADATA_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_BY_FIELD_NUMBER: _ClassVar[int]
    OBJECT_SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_SHA256_FIELD_NUMBER: _ClassVar[int]
    DATA_HASH_ALGO_FIELD_NUMBER: _ClassVar[int]
    CONTROL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SAVE_DATA_IN_COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PICKLE_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    object_id: str
    version: int
    prev_version: int
    task_id: str
    workflow_id: str
    campaign_id: str
    type: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    custom_metadata: _document_pb2.Document
    created_at: _timestamp_pb2.Timestamp
    created_by: str
    updated_at: _timestamp_pb2.Timestamp
    updated_by: str
    object_size_bytes: int
    data_sha256: str
    data_hash_algo: str
    control_version: bool
    save_data_in_collection: bool
    pickle: bool
    extra: _document_pb2.Document
    def __init__(self, object_id: _Optional[str] = ..., version: _Optional[int] = ..., prev_version: _Optional[int] = ..., task_id: _Optional[str] = ..., workflow_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., type: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., custom_metadata: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_by: _Optional[str] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_by: _Optional[str] = ..., object_size_bytes: _Optional[int] = ..., data_sha256: _Optional[str] = ..., data_hash_algo: _Optional[str] = ..., control_version: bool = ..., save_data_in_collection: bool = ..., pickle: bool = ..., extra: _Optional[_Union[_document_pb2.Document, _Mapping]] = ...) -> None: ...
