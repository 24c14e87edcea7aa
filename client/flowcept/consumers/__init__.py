"""Consumers: code that is called with every event of the log."""

from flowcept.consumers._base import BaseConsumer
from flowcept.consumers._message import EventMessage, to_message
from flowcept.transport import Event, EventAction, EventKind, EventSelection, Start

__all__ = [
    "BaseConsumer",
    "Event",
    "EventAction",
    "EventKind",
    "EventMessage",
    "EventSelection",
    "Start",
    "to_message",
]
