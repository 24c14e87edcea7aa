"""Events: what is said about a committed change, and how a log position is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, Protocol


class EventKind(IntEnum):
    """What an event is about; the numbers are those of the wire."""

    TASK = 1
    WORKFLOW = 2
    AGENT = 3
    OBJECT = 4


class EventAction(IntEnum):
    """What happened; the numbers are those of the wire."""

    CREATED = 1
    UPDATED = 2
    METADATA_UPDATED = 3
    DELETED = 4


class EventDraft(NamedTuple):
    """An event that has no sequence yet: the log assigns it in the transaction of the change."""

    kind: EventKind
    action: EventAction
    id: str
    workflow_id: str
    """Empty when the record has none; likewise the following three."""
    campaign_id: str
    activity_id: str
    object_type: str
    object_version: int
    commit_time: datetime
    document: bytes
    """The record after the change (before it, for a deletion), as BSON, as readers are shown it."""


class EventEncoder(Protocol):
    """Turns drafts into the bytes that the log keeps and subscribers receive.

    The log keeps events in the encoding of the wire, so replaying history costs no encoding at all. The store treats
    the bytes as opaque.
    """

    def body(self, draft: EventDraft) -> bytes:
        """Everything but the sequence. May run outside the transaction, and more than once."""
        ...

    def frame(self, sequence: int, body: bytes) -> bytes:
        """The complete event with its sequence, framed so that frames can simply be joined. Cheap."""
        ...


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """What an event of the log says about the change that it came from."""

    kind: EventKind
    action: EventAction
    id: str
    commit_time: datetime
    document: bytes
    """As of ``EventDraft.document``."""


class EventReader(Protocol):
    """Reads back what an ``EventEncoder`` made."""

    def read(self, frames: bytes) -> Iterable[LoggedEvent]:
        """The events in joined frames, in order."""
        ...


@dataclass(frozen=True, slots=True)
class EventBlock:
    """Consecutive events as the log keeps them: the events of one or more commits."""

    first: int
    """Sequence of the first event."""
    last: int
    """Sequence of the last event."""
    frames: bytes
    """The joined frames of all events from ``first`` to ``last``."""


@dataclass(frozen=True, slots=True)
class LogBounds:
    """What the log holds: the sequences ``oldest`` to ``last``, both included; none when ``oldest == last + 1``."""

    oldest: int
    last: int
    size_bytes: int
