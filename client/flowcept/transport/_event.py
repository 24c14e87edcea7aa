"""Events of the log, decoded when they are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from flowcept.codec import decode_document, decode_timestamp
from flowcept.v1 import event_pb2


class EventKind(StrEnum):
    """What an event is about."""

    TASK = "task"
    WORKFLOW = "workflow"
    AGENT = "agent"
    OBJECT = "object"
    UNKNOWN = "unknown"
    """A kind that this version does not know."""


class EventAction(StrEnum):
    """What happened."""

    CREATED = "created"
    """The record or the first version of the object came to be."""
    UPDATED = "updated"
    """A message was merged into the record, or the object got a new payload."""
    METADATA_UPDATED = "metadata_updated"
    """Only the metadata of the object changed."""
    DELETED = "deleted"
    """The record or the object was deleted."""
    UNKNOWN = "unknown"
    """An action that this version does not know."""


WIRE_KINDS: Mapping[EventKind, event_pb2.EventKind] = MappingProxyType(
    {
        EventKind.TASK: event_pb2.EVENT_KIND_TASK,
        EventKind.WORKFLOW: event_pb2.EVENT_KIND_WORKFLOW,
        EventKind.AGENT: event_pb2.EVENT_KIND_AGENT,
        EventKind.OBJECT: event_pb2.EVENT_KIND_OBJECT,
    }
)
"""Kinds on the wire."""

_KINDS: Mapping[int, EventKind] = MappingProxyType({int(number): kind for kind, number in WIRE_KINDS.items()})
_ACTIONS: Mapping[int, EventAction] = MappingProxyType(
    {
        event_pb2.EVENT_ACTION_CREATED: EventAction.CREATED,
        event_pb2.EVENT_ACTION_UPDATED: EventAction.UPDATED,
        event_pb2.EVENT_ACTION_METADATA_UPDATED: EventAction.METADATA_UPDATED,
        event_pb2.EVENT_ACTION_DELETED: EventAction.DELETED,
    }
)


class Event:
    """One committed change. Each attribute is decoded when it is read, so an event that is passed over costs nothing.

    An event holds on to the batch of about 1 MiB that it came with: keep what you need of it rather than the event.
    """

    __slots__ = ("_message",)

    def __init__(self, message: event_pb2.Event) -> None:
        self._message = message

    @property
    def sequence(self) -> int:
        """Position in the log: rises by one from event to event, over all kinds, without gaps."""
        return self._message.sequence

    @property
    def kind(self) -> EventKind:
        """What the event is about."""
        return _KINDS.get(self._message.kind, EventKind.UNKNOWN)

    @property
    def action(self) -> EventAction:
        """What happened."""
        return _ACTIONS.get(self._message.action, EventAction.UNKNOWN)

    @property
    def id(self) -> str:
        """``task_id``, ``workflow_id``, ``agent_id`` or ``object_id``, by ``kind``."""
        return self._message.id

    @property
    def workflow_id(self) -> str:
        """The workflow execution that the record or object belongs to; empty when there is none."""
        return self._message.workflow_id

    @property
    def campaign_id(self) -> str:
        """The campaign that it belongs to; empty when there is none."""
        return self._message.campaign_id

    @property
    def activity_id(self) -> str:
        """The activity of a task; empty otherwise."""
        return self._message.activity_id

    @property
    def object_type(self) -> str:
        """The type of an object; empty otherwise."""
        return self._message.object_type

    @property
    def object_version(self) -> int | None:
        """The version of an object; None otherwise."""
        return self._message.object_version if self.kind is EventKind.OBJECT else None

    @property
    def commit_time(self) -> datetime:
        """When it was committed; UTC."""
        return decode_timestamp(self._message.commit_time, "commit_time")

    @property
    def document(self) -> dict[str, Any]:
        """The record as it is after the change (before it, for a deletion); of an object its metadata.

        A new dict each time. Empty where the subscription leaves documents out.
        """
        return decode_document(self._message.document, "document") or {}

    def __repr__(self) -> str:
        return f"Event({self.sequence}, {self.kind.value} {self.action.value}, id={self.id!r})"
