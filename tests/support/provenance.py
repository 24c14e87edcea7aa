"""The Provenance service over a real channel: messages to publish, and what streams bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import bson
import grpc
from bson.codec_options import CodecOptions

from flowcept.errors import FlowceptError
from flowcept.status import DETAILS_KEY, decode_status
from flowcept.v1.document_pb2 import Document
from flowcept.v1.event_pb2 import Event
from flowcept.v1.provenance_service_pb2 import (
    PublishMessage,
    PublishRequest,
    QueryRequest,
    SubscribeRequest,
    SubscribeResponse,
)
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.conditions import PATIENCE

AWARE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
DEADLINE = PATIENCE
"""Seconds after which a call of a test has failed."""


class EventStream(Protocol):
    """What ``Subscribe`` returns."""

    def __iter__(self) -> Iterator[SubscribeResponse]: ...
    def __next__(self) -> SubscribeResponse: ...
    def cancel(self) -> bool: ...


def document(value: Mapping[str, Any]) -> Document:
    """A document as BSON."""
    return Document(bson=bson.encode(value))


def message(value: Mapping[str, Any], message_id: str = "") -> PublishMessage:
    """A record as one document."""
    return PublishMessage(message_id=message_id, document=document(value))


def task(task_id: str, message_id: str = "", **fields: Any) -> PublishMessage:
    """A task as one document."""
    return message({"type": "task", "task_id": task_id, **fields}, message_id)


def batch(*messages: PublishMessage) -> PublishRequest:
    """A batch of messages."""
    return PublishRequest(messages=messages)


def find(
    stub: ProvenanceStub, filter: Mapping[str, Any] | None = None, *, collection: str = "TASKS", **given: Any
) -> list[dict[str, Any]]:
    """The results of a query."""
    request = QueryRequest(
        collection=f"COLLECTION_{collection}",
        filter=None if filter is None else document(filter),
        **given,
    )
    return [
        bson.decode(result.bson, AWARE)
        for response in stub.Query(request, timeout=DEADLINE)
        for result in response.documents
    ]


def subscribe(stub: ProvenanceStub, *, deadline: float = DEADLINE, **given: Any) -> EventStream:
    """A subscription that has begun: what is committed from now on is behind its start."""
    stream: EventStream = stub.Subscribe(SubscribeRequest(**given), timeout=deadline)
    next(stream)
    return stream


def events_until(stream: EventStream, position: int) -> list[Event]:
    """The events that a stream brings until its position is reached; the stream is cancelled."""
    events: list[Event] = []
    for response in stream:
        events += response.events
        if response.position >= position:
            break
    stream.cancel()
    return events


@contextmanager
def refused() -> Iterator[list[FlowceptError]]:
    """Expects the call inside to be refused; the list then has the error."""
    errors: list[FlowceptError] = []
    try:
        yield errors
    except grpc.RpcError as error:
        call: Any = error
        details = next((value for key, value in call.trailing_metadata() or () if key == DETAILS_KEY), None)
        errors.append(decode_status(call.code().value[0], call.details(), details))
    else:
        raise AssertionError("the call was not refused")
