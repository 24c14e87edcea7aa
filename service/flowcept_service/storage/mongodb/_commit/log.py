"""The event log in its collection: a counter that gives sequences, and blocks of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import bson
from bson import Binary
from bson.raw_bson import RawBSONDocument

from flowcept_service.domain.events import EventBlock, EventEncoder, LogBounds
from flowcept_service.storage.mongodb._commit.unit import Unit
from flowcept_service.storage.mongodb._connection.raw import RAW

BLOCK_BYTES: Final = 1 << 20
"""A block is complete with the event that brings it beyond this size; blocks are read, sent and trimmed as a whole."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive events on their way into the collection."""

    first: int
    last: int
    frames: bytes


def blocks_of(encoder: EventEncoder, base: int, bodies: Sequence[bytes]) -> Iterator[Block]:
    """The events behind ``base``, framed with their sequences, in blocks."""
    frames: list[bytes] = []
    size = 0
    first = base + 1
    for sequence, body in enumerate(bodies, base + 1):
        frame = encoder.frame(sequence, body)
        frames.append(frame)
        size += len(frame)
        if size >= BLOCK_BYTES:
            yield Block(first, sequence, b"".join(frames))
            frames, size, first = [], 0, sequence + 1
    if frames:
        yield Block(first, base + len(bodies), b"".join(frames))


def block_document(block: Block, commit: int, now: datetime, messages: Sequence[str]) -> RawBSONDocument:
    """A block as it is stored. Its ``_id`` is its last sequence: what lies behind a position has a greater one."""
    document = {
        "_id": block.last,
        "first": block.first,
        "commit": commit,
        "size": len(block.frames),
        "committed": now,
        "messages": list(messages),
        "frames": Binary(block.frames),
    }
    return RawBSONDocument(bson.encode(document), RAW)


def event_block(document: Mapping[str, Any]) -> EventBlock:
    """A block as readers see it."""
    return EventBlock(document["first"], document["_id"], bytes(document["frames"]))


def log_bounds(document: Mapping[str, Any]) -> LogBounds:
    """What the counter says of the log."""
    return LogBounds(document["oldest"], document["last"], document["size_bytes"])


def counter_update(unit: Unit, added_bytes: int) -> dict[str, Any]:
    """How a unit changes the counter."""
    update: dict[str, Any] = {"$inc": {"last": len(unit.bodies), "size_bytes": added_bytes - unit.log.removed_bytes}}
    if unit.log.oldest is not None:
        update["$set"] = {"oldest": unit.log.oldest}
    return update
