"""What a consumer is handed: an event in the form of the message that it stands for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flowcept.records import TaskObject
from flowcept.transport import Event, EventKind

_TIMES = TaskObject.get_time_field_names()


class EventMessage(dict[str, Any]):
    """A record as a message: a dictionary, with the event that brought it.

    ``type`` is ``task``, ``workflow``, ``agent`` or ``object``; the rest are the fields of the record as it is after
    the change. Times are in seconds since the epoch, as in what was published. An object's own type is
    ``object_type``.
    """

    def __init__(self, fields: dict[str, Any], event: Event) -> None:
        super().__init__(fields)
        self.event = event
        """Sequence, action, commit time and the rest; see :class:`Event`."""


def to_message(event: Event) -> EventMessage:
    """The event as a message."""
    fields = event.document
    if event.kind is EventKind.OBJECT:
        if "type" in fields:
            fields["object_type"] = fields.pop("type")
    else:
        for name in _TIMES:
            value = fields.get(name)
            if isinstance(value, datetime):
                fields[name] = value.timestamp()
    fields["type"] = event.kind.value
    return EventMessage(fields, event)
