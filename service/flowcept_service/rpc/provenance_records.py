"""Published messages, from the wire to plain fields under the names that queries use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bson.errors import BSONError
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from flowcept.codec import decode_timestamp
from flowcept.errors import FlowceptError, InvalidArgumentError, Reason, shorten
from flowcept.v1.document_pb2 import Document
from flowcept.v1.provenance_service_pb2 import PublishMessage, Rejection
from flowcept.v1.records_pb2 import Agent, Status, Task, Workflow
from flowcept_service.domain.records import Collection
from flowcept_service.provenance.inserter import surely_sound
from flowcept_service.provenance.publishing import IncomingMessage
from flowcept_service.query import decode
from flowcept_service.rpc.provenance_documents import plain_document

_COLLECTIONS = {"task": Collection.TASKS, "workflow": Collection.WORKFLOWS, "agent": Collection.AGENTS}
_EXTRA = "extra"
_STATUS_PREFIX = "STATUS_"


def incoming_message(message: PublishMessage) -> IncomingMessage:
    """What a message of a batch says.

    Raises:
        InvalidArgumentError: It cannot be decoded.
    """
    form = message.WhichOneof("record")
    if form == "document":
        return _incoming_document(message.document, message.message_id)
    if form is None:
        raise InvalidArgumentError(
            "the message has no record; set one of task, workflow, agent and document", field="record"
        )
    return IncomingMessage(_typed_fields(getattr(message, form)), message.message_id, _COLLECTIONS[form])


def rejection_of(index: int, error: FlowceptError) -> Rejection:
    """What a client is told about a message that was not stored."""
    return Rejection(
        index=index, reason=error.reason.value, field=error.metadata.get("field", ""), message=error.message
    )


def _incoming_document(document: Document, message_id: str) -> IncomingMessage:
    # Nearly all documents are valid BSON, and the inserter checks what they hold; the rest is worth a second look.
    data = document.bson
    if data:
        try:
            return IncomingMessage(decode(data), message_id, None, surely_sound(data))
        except (BSONError, ValueError, RecursionError):
            pass
    return IncomingMessage(_document_fields(document), message_id)


def _document_fields(document: Document) -> Mapping[str, Any]:
    try:
        fields = plain_document(document, "document")
    except InvalidArgumentError as error:
        # The document is the record, so paths start inside it.
        metadata = {**error.metadata, "field": error.metadata.get("field", "").removeprefix("document.")}
        raise InvalidArgumentError(error.message, reason=error.reason, **metadata) from None
    if fields is None:
        raise InvalidArgumentError("document is absent; set its bson or its json", field="document")
    return fields


def _typed_fields(record: Message) -> dict[str, Any]:
    """The fields that are set. What ``extra`` holds under the name of a field that is set gives way to it."""
    readers = _READERS[record.DESCRIPTOR.full_name]
    fields = {descriptor.name: readers[descriptor.name](value) for descriptor, value in record.ListFields()}
    extra = fields.pop(_EXTRA, None)
    return {**extra, **fields} if extra else fields


def _status_name(value: int) -> str:
    try:
        return Status.Name(value).removeprefix(_STATUS_PREFIX)
    except ValueError:
        raise InvalidArgumentError(
            f"status is {shorten(value)}, which is not one of the numbers of flowcept.v1.Status",
            reason=Reason.INVALID_FIELD,
            field="status",
            value=value,
        ) from None


def _as_it_is(value: Any) -> Any:
    return value


def _reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    """How the value of a field becomes a plain one."""
    if field.enum_type is not None:
        return _status_name
    if field.message_type is not None:
        read = plain_document if field.message_type.full_name == Document.DESCRIPTOR.full_name else decode_timestamp
        return partial(read, field=field.name)
    return list if field.is_repeated else _as_it_is


_READERS: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    message.DESCRIPTOR.full_name: {field.name: _reader(field) for field in message.DESCRIPTOR.fields}  # type: ignore[arg-type]  # typeshed names two implementations
    for message in (Task, Workflow, Agent)
}
