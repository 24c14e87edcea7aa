"""How the event log lies in its tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final

from flowcept_service.domain.events import EventBlock, LogBounds
from flowcept_service.storage.lmdb._environment.environment import Table, TableKind
from flowcept_service.storage.lmdb._environment.keys import NUMBER

if TYPE_CHECKING:
    import lmdb

EVENT_TABLES: Final[Mapping[str, TableKind]] = {
    "events": TableKind(),
    "event_messages": TableKind(),
    "event_requests": TableKind(),
    "messages": TableKind(),
    "consumers": TableKind(),
}
"""What the tables hold.

- ``events``: blocks, under the sequence of their first event.
- ``event_messages``: under the same, the keys in ``messages`` of the messages that the events came from.
- ``event_requests``: likewise, the keys of the requests.
- ``messages``: sequences, under the key of a ``message_id``.
- ``consumers``: acknowledged sequences, under the name of a consumer.
"""
BOUNDS_KEY: Final = b"log"
_BOUNDS: Final = Struct(">QQQ")
_HEADER: Final = Struct(">Qq")
"""Last sequence of a block; when it was committed, in milliseconds since 1970."""
EMPTY_LOG: Final = LogBounds(oldest=1, last=0, size_bytes=0)


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What a block says about itself, besides its events."""

    last: int
    committed_ms: int


def pack_block(last: int, committed_ms: int, frames: bytes) -> bytes:
    """The value of a block."""
    return _HEADER.pack(last, committed_ms) + frames


def unpack_block(key: bytes, value: bytes) -> EventBlock:
    """The block at a key."""
    return EventBlock(NUMBER.unpack(key)[0], _HEADER.unpack_from(value)[0], value[_HEADER.size :])


def unpack_header(value: bytes) -> BlockHeader:
    """The header of a block."""
    return BlockHeader(*_HEADER.unpack_from(value))


def blocks_behind(cursor: lmdb.Cursor[bytes], after: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the blocks from the one that holds the event behind ``after``; the log does reach there."""
    wanted = NUMBER.pack(after + 1)
    if not cursor.set_range(wanted):
        cursor.last()
    elif cursor.key() != wanted:
        cursor.prev()
    yield from cursor


def read_bounds(txn: lmdb.Transaction[bytes], meta: Table) -> LogBounds:
    """What the log holds. A value of its own: sequences go on where they were when all events were trimmed."""
    data = txn.get(BOUNDS_KEY, db=meta)
    return EMPTY_LOG if data is None else LogBounds(*_BOUNDS.unpack(data))


def pack_bounds(bounds: LogBounds) -> bytes:
    """The value that ``read_bounds`` reads."""
    return _BOUNDS.pack(bounds.oldest, bounds.last, bounds.size_bytes)


def join_keys(keys: Iterable[bytes]) -> bytes:
    """Keys of messages as one value; each is at most 255 bytes long."""
    return b"".join([bytes((len(key),)) + key for key in keys])


def split_keys(joined: bytes) -> Iterator[bytes]:
    """The keys that ``join_keys`` joined."""
    at = 0
    while at < len(joined):
        end = at + 1 + joined[at]
        yield joined[at + 1 : end]
        at = end
