import datetime

from flowcept.v1 import document_pb2 as _document_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_TASK: _ClassVar[EventKind]
    EVENT_KIND_WORKFLOW: _ClassVar[EventKind]
    EVENT_KIND_AGENT: _ClassVar[EventKind]
    EVENT_KIND_OBJECT: _ClassVar[EventKind]

class EventAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_ACTION_UNSPECIFIED: _ClassVar[EventAction]
    EVENT_ACTION_CREATED: _ClassVar[EventAction]
    EVENT_ACTION_UPDATED: _ClassVar[EventAction]
    EVENT_ACTION_METADATA_UPDATED: _ClassVar[EventAction]
    EVENT_ACTION_DELETED: _ClassVar[EventAction]
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_TASK: EventKind
EVENT_KIND_WORKFLOW: EventKind
EVENT_KIND_AGENT: EventKind
EVENT_KIND_OBJECT: EventKind
EVENT_ACTION_UNSPECIFIED: EventAction
EVENT_ACTION_CREATED: EventAction
EVENT_ACTION_UPDATED: EventAction
EVENT_ACTION_METADATA_UPDATED: EventAction
EVENT_ACTION_DELETED: EventAction

class Event(_message.Message):
    __slots__ = ("sequence", "kind", "action", "id", "workflow_id", "campaign_id", "activity_id", "object_type", "object_version", "commit_time", "document")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    kind: EventKind
    action: EventAction
    id: str
    workflow_id: str
    campaign_id: str
    activity_id: str
    object_type: str
    object_version: int
    commit_time: _timestamp_pb2.Timestamp
    document: _document_pb2.Document
    def __init__(self, sequence: _Optional[int] = ..., kind: _Optional[_Union[EventKind, str]] = ..., action: _Optional[_Union[EventAction, str]] = ..., id: _Optional[str] = ..., workflow_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., activity_id: _Optional[str] = ..., object_type: _Optional[str] = ..., object_version: _Optional[int] = ..., commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., document: _Optional[_Union[_document_pb2.Document, _Mapping]] = ...) -> None: ...
