"""Which events a subscriber gets, and in which form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from flowcept.v1.document_pb2 import Document
from flowcept.v1.event_pb2 import Event
from flowcept_service.domain.campaigns import Campaigns, permits
from flowcept_service.domain.events import EventBlock
from flowcept_service.events.codec import decode_events, frame_event
from flowcept_service.query import decode
from flowcept_service.wire import field_ends


@dataclass(frozen=True, slots=True)
class Shard:
    """A member's share of a group: the events whose workflow (their ``id``, where they have none) hashes to it."""

    index: int
    count: int

    def holds(self, event: Event) -> bool:
        """Whether the event is this member's."""
        return crc32((event.workflow_id or event.id).encode()) % self.count == self.index


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events to send: those that match every part that is set."""

    kinds: frozenset[int] = frozenset()
    """Numbers of ``EventKind``; empty, like each of the following: any."""
    workflow_ids: frozenset[str] = frozenset()
    campaign_ids: frozenset[str] = frozenset()
    activity_ids: frozenset[str] = frozenset()
    object_types: frozenset[str] = frozenset()
    document: Callable[[dict[str, Any]], bool] | None = None
    """A compiled filter on the event's document."""
    shard: Shard | None = None
    confined_to: Campaigns = None
    """The campaigns beyond which the subscriber sees nothing, whatever it asks for."""

    def matches(self, event: Event) -> bool:
        """Whether to send an event; the document is decoded only for an event that passes everything else."""
        return (
            permits(self.confined_to, event.campaign_id)
            and (not self.kinds or event.kind in self.kinds)
            and (not self.workflow_ids or event.workflow_id in self.workflow_ids)
            and (not self.campaign_ids or event.campaign_id in self.campaign_ids)
            and (not self.activity_ids or event.activity_id in self.activity_ids)
            and (not self.object_types or event.object_type in self.object_types)
            and (self.shard is None or self.shard.holds(event))
            and (self.document is None or self.document(decode(event.document.bson)))
        )


EVERYTHING = Selection()
"""Selects every event."""


@dataclass(frozen=True, slots=True)
class Form:
    """How selected events are sent."""

    recode: Callable[[bytes], Document] | None = None
    """Makes the document to send of the BSON that is kept; None sends the BSON."""
    omit_documents: bool = False

    def apply(self, event: Event) -> bytes:
        """The event in this form, framed."""
        if self.omit_documents:
            event.ClearField("document")
        elif self.recode is not None:
            event.document.CopyFrom(self.recode(event.document.bson))
        return frame_event(event)


AS_KEPT = Form()
"""Sends events as the log keeps them."""


def select(
    block: EventBlock, after: int, selection: Selection, form: Form, max_bytes: int
) -> Iterator[tuple[int, bytes]]:
    """The selected events of a block behind a sequence: frames to be joined, each with the sequence that it reaches to.

    What needs no look inside stays in one piece of up to ``max_bytes``, which is what makes catching up quick; the rest
    comes event by event.
    """
    untouched = selection == EVERYTHING and form == AS_KEPT
    frames = block.frames
    if untouched and after < block.first and len(frames) <= max_bytes:
        yield block.last, frames
        return
    ends = field_ends(frames)
    seen = max(0, after + 1 - block.first)
    start = ends[seen - 1] if seen else 0
    if untouched and len(frames) - start <= max_bytes:
        yield block.last, frames[start:]
        return
    for index, event in enumerate(decode_events(frames[start:]), seen):
        if selection.matches(event):
            yield block.first + index, frames[start : ends[index]] if form == AS_KEPT else form.apply(event)
        start = ends[index]


def pack(pieces: Iterable[tuple[int, bytes]], max_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Join pieces up to a size; a larger piece stays alone. Each pack comes with the sequence that it reaches to."""
    packed: list[bytes] = []
    size = reached = 0
    for sequence, piece in pieces:
        if packed and size + len(piece) > max_bytes:
            yield reached, b"".join(packed)
            packed, size = [], 0
        packed.append(piece)
        size += len(piece)
        reached = sequence
    if packed:
        yield reached, b"".join(packed)
