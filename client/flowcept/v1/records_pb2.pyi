import datetime

from flowcept.v1 import document_pb2 as _document_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_UNSPECIFIED: _ClassVar[Status]
    STATUS_SUBMITTED: _ClassVar[Status]
    STATUS_WAITING: _ClassVar[Status]
    STATUS_RUNNING: _ClassVar[Status]
    STATUS_FINISHED: _ClassVar[Status]
    STATUS_ERROR: _ClassVar[Status]
    STATUS_UNKNOWN: _ClassVar[Status]
STATUS_UNSPECIFIED: Status
STATUS_SUBMITTED: Status
STATUS_WAITING: Status
STATUS_RUNNING: Status
STATUS_FINISHED: Status
STATUS_ERROR: Status
STATUS_UNKNOWN: Status

class Task(_message.Message):
    __slots__ = ("task_id", "activity_id", "workflow_id", "campaign_id", "parent_task_id", "group_id", "agent_id", "source_agent_id", "subtype", "status", "used", "generated", "custom_metadata", "submitted_at", "started_at", "ended_at", "tags", "stdout", "stderr", "telemetry_at_start", "telemetry_at_end", "user", "hostname", "dependencies", "dependents", "extra", "utc_timestamp")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_TASK_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    SUBTYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_METADATA_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_AT_START_FIELD_NUMBER: _ClassVar[int]
    TELEMETRY_AT_END_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    DEPENDENTS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    UTC_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    activity_id: str
    workflow_id: str
    campaign_id: str
    parent_task_id: str
    group_id: str
    agent_id: str
    source_agent_id: str
    subtype: str
    status: Status
    used: _document_pb2.Document
    generated: _document_pb2.Document
    custom_metadata: _document_pb2.Document
    submitted_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    tags: _containers.RepeatedScalarFieldContainer[str]
    stdout: str
    stderr: str
    telemetry_at_start: _document_pb2.Document
    telemetry_at_end: _document_pb2.Document
    user: str
    hostname: str
    dependencies: _containers.RepeatedScalarFieldContainer[str]
    dependents: _containers.RepeatedScalarFieldContainer[str]
    extra: _document_pb2.Document
    utc_timestamp: _timestamp_pb2.Timestamp
    def __init__(self, task_id: _Optional[str] = ..., activity_id: _Optional[str] = ..., workflow_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., parent_task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., source_agent_id: _Optional[str] = ..., subtype: _Optional[str] = ..., status: _Optional[_Union[Status, str]] = ..., used: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., generated: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., custom_metadata: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., submitted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., stdout: _Optional[str] = ..., stderr: _Optional[str] = ..., telemetry_at_start: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., telemetry_at_end: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., user: _Optional[str] = ..., hostname: _Optional[str] = ..., dependencies: _Optional[_Iterable[str]] = ..., dependents: _Optional[_Iterable[str]] = ..., extra: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., utc_timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Workflow(_message.Message):
    __slots__ = ("workflow_id", "parent_workflow_id", "campaign_id", "name", "workflow_description", "subtype", "status", "used", "generated", "custom_metadata", "started_at", "ended_at", "user", "sys_name", "agent_id", "conf", "machine_info", "code_repository", "extra", "utc_timestamp")
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SUBTYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    GENERATED_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_METADATA_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SYS_NAME_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONF_FIELD_NUMBER: _ClassVar[int]
    MACHINE_INFO_FIELD_NUMBER: _ClassVar[int]
    CODE_REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    UTC_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    workflow_id: str
    parent_workflow_id: str
    campaign_id: str
    name: str
    workflow_description: str
    subtype: str
    status: Status
    used: _document_pb2.Document
    generated: _document_pb2.Document
    custom_metadata: _document_pb2.Document
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    user: str
    sys_name: str
    agent_id: str
    conf: _document_pb2.Document
    machine_info: _document_pb2.Document
    code_repository: _document_pb2.Document
    extra: _document_pb2.Document
    utc_timestamp: _timestamp_pb2.Timestamp
    def __init__(self, workflow_id: _Optional[str] = ..., parent_workflow_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., name: _Optional[str] = ..., workflow_description: _Optional[str] = ..., subtype: _Optional[str] = ..., status: _Optional[_Union[Status, str]] = ..., used: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., generated: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., custom_metadata: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., user: _Optional[str] = ..., sys_name: _Optional[str] = ..., agent_id: _Optional[str] = ..., conf: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., machine_info: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., code_repository: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., extra: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., utc_timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Agent(_message.Message):
    __slots__ = ("agent_id", "name", "user", "workflow_id", "campaign_id", "extra_metadata", "extra", "utc_timestamp")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    EXTRA_METADATA_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    UTC_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    name: str
    user: str
    workflow_id: str
    campaign_id: str
    extra_metadata: _document_pb2.Document
    extra: _document_pb2.Document
    utc_timestamp: _timestamp_pb2.Timestamp
    def __init__(self, agent_id: _Optional[str] = ..., name: _Optional[str] = ..., user: _Optional[str] = ..., workflow_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., extra_metadata: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., extra: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., utc_timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
