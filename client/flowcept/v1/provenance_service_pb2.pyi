import datetime

from flowcept.v1 import document_pb2 as _document_pb2
from flowcept.v1 import event_pb2 as _event_pb2
from flowcept.v1 import records_pb2 as _records_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Collection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLLECTION_UNSPECIFIED: _ClassVar[Collection]
    COLLECTION_TASKS: _ClassVar[Collection]
    COLLECTION_WORKFLOWS: _ClassVar[Collection]
    COLLECTION_AGENTS: _ClassVar[Collection]
    COLLECTION_OBJECTS: _ClassVar[Collection]
    COLLECTION_OBJECT_HISTORY: _ClassVar[Collection]

class AggregationOperator(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AGGREGATION_OPERATOR_UNSPECIFIED: _ClassVar[AggregationOperator]
    AGGREGATION_OPERATOR_AVG: _ClassVar[AggregationOperator]
    AGGREGATION_OPERATOR_SUM: _ClassVar[AggregationOperator]
    AGGREGATION_OPERATOR_MIN: _ClassVar[AggregationOperator]
    AGGREGATION_OPERATOR_MAX: _ClassVar[AggregationOperator]
    AGGREGATION_OPERATOR_COUNT: _ClassVar[AggregationOperator]

class LogEdge(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_EDGE_UNSPECIFIED: _ClassVar[LogEdge]
    LOG_EDGE_LATEST: _ClassVar[LogEdge]
    LOG_EDGE_EARLIEST: _ClassVar[LogEdge]
COLLECTION_UNSPECIFIED: Collection
COLLECTION_TASKS: Collection
COLLECTION_WORKFLOWS: Collection
COLLECTION_AGENTS: Collection
COLLECTION_OBJECTS: Collection
COLLECTION_OBJECT_HISTORY: Collection
AGGREGATION_OPERATOR_UNSPECIFIED: AggregationOperator
AGGREGATION_OPERATOR_AVG: AggregationOperator
AGGREGATION_OPERATOR_SUM: AggregationOperator
AGGREGATION_OPERATOR_MIN: AggregationOperator
AGGREGATION_OPERATOR_MAX: AggregationOperator
AGGREGATION_OPERATOR_COUNT: AggregationOperator
LOG_EDGE_UNSPECIFIED: LogEdge
LOG_EDGE_LATEST: LogEdge
LOG_EDGE_EARLIEST: LogEdge

class PublishMessage(_message.Message):
    __slots__ = ("message_id", "task", "workflow", "agent", "document")
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    message_id: str
    task: _records_pb2.Task
    workflow: _records_pb2.Workflow
    agent: _records_pb2.Agent
    document: _document_pb2.Document
    def __init__(self, message_id: _Optional[str] = ..., task: _Optional[_Union[_records_pb2.Task, _Mapping]] = ..., workflow: _Optional[_Union[_records_pb2.Workflow, _Mapping]] = ..., agent: _Optional[_Union[_records_pb2.Agent, _Mapping]] = ..., document: _Optional[_Union[_document_pb2.Document, _Mapping]] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("messages",)
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[PublishMessage]
    def __init__(self, messages: _Optional[_Iterable[_Union[PublishMessage, _Mapping]]] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("stored_count", "duplicate_count", "rejections", "last_sequence")
    STORED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    stored_count: int
    duplicate_count: int
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    last_sequence: int
    def __init__(self, stored_count: _Optional[int] = ..., duplicate_count: _Optional[int] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("index", "reason", "field", "message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    reason: str
    field: str
    message: str
    def __init__(self, index: _Optional[int] = ..., reason: _Optional[str] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("collection", "filter", "projection", "sort", "skip", "limit", "aggregations", "group_by", "encoding")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    SORT_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    AGGREGATIONS_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    collection: Collection
    filter: _document_pb2.Document
    projection: _document_pb2.Document
    sort: _containers.RepeatedCompositeFieldContainer[SortKey]
    skip: int
    limit: int
    aggregations: _containers.RepeatedCompositeFieldContainer[Aggregation]
    group_by: _containers.RepeatedScalarFieldContainer[str]
    encoding: _document_pb2.DocumentEncoding
    def __init__(self, collection: _Optional[_Union[Collection, str]] = ..., filter: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., projection: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., sort: _Optional[_Iterable[_Union[SortKey, _Mapping]]] = ..., skip: _Optional[int] = ..., limit: _Optional[int] = ..., aggregations: _Optional[_Iterable[_Union[Aggregation, _Mapping]]] = ..., group_by: _Optional[_Iterable[str]] = ..., encoding: _Optional[_Union[_document_pb2.DocumentEncoding, str]] = ...) -> None: ...

class SortKey(_message.Message):
    __slots__ = ("field", "descending")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCENDING_FIELD_NUMBER: _ClassVar[int]
    field: str
    descending: bool
    def __init__(self, field: _Optional[str] = ..., descending: bool = ...) -> None: ...

class Aggregation(_message.Message):
    __slots__ = ("operator", "field")
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    operator: AggregationOperator
    field: str
    def __init__(self, operator: _Optional[_Union[AggregationOperator, str]] = ..., field: _Optional[str] = ...) -> None: ...

class QueryResponse(_message.Message):
    __slots__ = ("documents",)
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[_document_pb2.Document]
    def __init__(self, documents: _Optional[_Iterable[_Union[_document_pb2.Document, _Mapping]]] = ...) -> None: ...

class SubscribeRequest(_message.Message):
    __slots__ = ("edge", "after_sequence", "consumer", "filter", "shard", "encoding", "heartbeat_interval", "omit_documents")
    EDGE_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    OMIT_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    edge: LogEdge
    after_sequence: int
    consumer: str
    filter: EventFilter
    shard: Shard
    encoding: _document_pb2.DocumentEncoding
    heartbeat_interval: _duration_pb2.Duration
    omit_documents: bool
    def __init__(self, edge: _Optional[_Union[LogEdge, str]] = ..., after_sequence: _Optional[int] = ..., consumer: _Optional[str] = ..., filter: _Optional[_Union[EventFilter, _Mapping]] = ..., shard: _Optional[_Union[Shard, _Mapping]] = ..., encoding: _Optional[_Union[_document_pb2.DocumentEncoding, str]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., omit_documents: bool = ...) -> None: ...

class EventFilter(_message.Message):
    __slots__ = ("kinds", "workflow_ids", "campaign_ids", "activity_ids", "object_types", "document")
    KINDS_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_IDS_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_IDS_FIELD_NUMBER: _ClassVar[int]
    ACTIVITY_IDS_FIELD_NUMBER: _ClassVar[int]
    OBJECT_TYPES_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    kinds: _containers.RepeatedScalarFieldContainer[_event_pb2.EventKind]
    workflow_ids: _containers.RepeatedScalarFieldContainer[str]
    campaign_ids: _containers.RepeatedScalarFieldContainer[str]
    activity_ids: _containers.RepeatedScalarFieldContainer[str]
    object_types: _containers.RepeatedScalarFieldContainer[str]
    document: _document_pb2.Document
    def __init__(self, kinds: _Optional[_Iterable[_Union[_event_pb2.EventKind, str]]] = ..., workflow_ids: _Optional[_Iterable[str]] = ..., campaign_ids: _Optional[_Iterable[str]] = ..., activity_ids: _Optional[_Iterable[str]] = ..., object_types: _Optional[_Iterable[str]] = ..., document: _Optional[_Union[_document_pb2.Document, _Mapping]] = ...) -> None: ...

class Shard(_message.Message):
    __slots__ = ("index", "count")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    index: int
    count: int
    def __init__(self, index: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class SubscribeResponse(_message.Message):
    __slots__ = ("events", "position", "last_sequence")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    position: int
    last_sequence: int
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., position: _Optional[int] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class AcknowledgeRequest(_message.Message):
    __slots__ = ("consumer", "sequence")
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    consumer: str
    sequence: int
    def __init__(self, consumer: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...

class AcknowledgeResponse(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...

class DeleteConsumerRequest(_message.Message):
    __slots__ = ("consumer",)
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    consumer: str
    def __init__(self, consumer: _Optional[str] = ...) -> None: ...

class DeleteConsumerResponse(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...

class DeleteRecordsRequest(_message.Message):
    __slots__ = ("workflow_id", "campaign_id")
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    workflow_id: str
    campaign_id: str
    def __init__(self, workflow_id: _Optional[str] = ..., campaign_id: _Optional[str] = ...) -> None: ...

class DeleteRecordsResponse(_message.Message):
    __slots__ = ("task_count", "workflow_count", "agent_count")
    TASK_COUNT_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_COUNT_FIELD_NUMBER: _ClassVar[int]
    AGENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    task_count: int
    workflow_count: int
    agent_count: int
    def __init__(self, task_count: _Optional[int] = ..., workflow_count: _Optional[int] = ..., agent_count: _Optional[int] = ...) -> None: ...
