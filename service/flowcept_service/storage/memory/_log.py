"""A bounded event log in memory, with the records that its events tell of."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest
from threading import Condition
from typing import Final

from flowcept.errors import Reason, UnavailableError
from flowcept_service.domain.events import EventBlock, EventDraft, EventEncoder, LogBounds
from flowcept_service.domain.records import Collection
from flowcept_service.domain.store_state import ConsumerPosition
from flowcept_service.storage.observer import StoreObserver
from flowcept_service.storage.refusals import check_held, sequence_not_reached

BLOCK_BYTES: Final = 1 << 20
"""A block is complete with the event that brings it beyond this size; blocks are read, sent and trimmed as a whole."""

RecordKey = tuple[Collection, str]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A block, and what goes with it."""

    block: EventBlock
    committed_at: datetime
    messages: Sequence[str]
    records: Sequence[RecordKey]


@dataclass(frozen=True, slots=True)
class _Latest:
    """A record as its last event left it."""

    sequence: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """One event that is to be appended, with the record that it tells of."""

    draft: EventDraft
    key: RecordKey
    message_id: str


class MemoryEventLog:
    """Keeps ``storage.contract.EventLog``, and each record for as long as its last event.

    Args:
        encoder: Makes the bytes of events.
        max_bytes: Size of the events that are held; the oldest go first.
        observer: Told of what is appended.
    """

    def __init__(self, encoder: EventEncoder, max_bytes: int, observer: StoreObserver) -> None:
        self._encoder = encoder
        self._observer = observer
        self._max_bytes = max_bytes
        self._entries: deque[_Entry] = deque()
        self._bounds = LogBounds(1, 0, 0)
        self._messages: set[str] = set()
        self._records: dict[RecordKey, _Latest] = {}
        self._consumers: dict[str, int] = {}
        self._closed = False
        self.changed = Condition()
        """To be held around what must happen at once."""

    def bounds(self) -> LogBounds:
        """See ``EventLog.bounds``."""
        with self.changed:
            self.check_open()
            return self._bounds

    def read(self, after: int, max_bytes: int) -> list[EventBlock]:
        """See ``EventLog.read``."""
        with self.changed:
            self.check_open()
            check_held(after, self._bounds)
            blocks: list[EventBlock] = []
            size = 0
            for block in reversed([entry.block for entry in self._behind(after)]):
                size += len(block.frames)
                if blocks and size > max_bytes:
                    break
                blocks.append(block)
            return blocks

    def _behind(self, after: int) -> Iterator[_Entry]:
        """The blocks with events behind a sequence, the newest first: readers are mostly near the end."""
        for entry in reversed(self._entries):
            if entry.block.last <= after:
                return
            yield entry

    def wait(self, after: int, timeout: float) -> bool:
        """See ``EventLog.wait``."""
        with self.changed:
            self.changed.wait_for(lambda: self._closed or self._bounds.last > after, timeout)
            return self._bounds.last > after

    def position(self, consumer: str) -> int | None:
        """See ``EventLog.position``."""
        with self.changed:
            self.check_open()
            return self._consumers.get(consumer)

    def acknowledge(self, consumer: str, sequence: int) -> int:
        """See ``EventLog.acknowledge``."""
        with self.changed:
            self.check_open()
            if sequence > self._bounds.last:
                raise sequence_not_reached(sequence, self._bounds.last)
            self._consumers[consumer] = max(sequence, self._consumers.get(consumer, -1))
            return self._consumers[consumer]

    def delete_consumer(self, consumer: str) -> int | None:
        """See ``EventLog.delete_consumer``."""
        with self.changed:
            self.check_open()
            return self._consumers.pop(consumer, None)

    def slowest_consumers(self, limit: int) -> tuple[int, tuple[ConsumerPosition, ...]]:
        """How many durable consumers there are, and those that are the furthest behind."""
        with self.changed:
            slowest = nsmallest(limit, self._consumers.items(), key=lambda one: one[1])
            return len(self._consumers), tuple(ConsumerPosition(*one) for one in slowest)

    def latest(self, key: RecordKey) -> bytes | None:
        """A record as BSON, as its last event left it; None when that event is not held (any more)."""
        known = self._records.get(key)
        return None if known is None else known.data

    def knows_message(self, message_id: str) -> bool:
        """Whether an event that is held came from a message."""
        return message_id in self._messages

    def append(self, events: Sequence[Appended], records: Mapping[RecordKey, bytes], now: datetime) -> None:
        """Append events; ``changed`` is held.

        Args:
            events: The events.
            records: What became of the records that they tell of.
            now: The time.
        """
        pending: list[Appended] = []
        frames: list[bytes] = []
        size = 0
        sequence = self._bounds.last
        for event in events:
            sequence += 1
            frame = self._encoder.frame(sequence, self._encoder.body(event.draft))
            pending.append(event)
            frames.append(frame)
            size += len(frame)
            self._records[event.key] = _Latest(sequence, records[event.key])
            if size >= BLOCK_BYTES:
                self._add(pending, b"".join(frames), now)
                pending, frames, size = [], [], 0
        if pending:
            self._add(pending, b"".join(frames), now)
        self._drop(self._max_bytes)
        self.changed.notify_all()
        for kind, count in Counter([event.draft.kind for event in events]).items():
            self._observer.appended(kind, count)

    def _add(self, events: Sequence[Appended], frames: bytes, now: datetime) -> None:
        bounds = self._bounds
        block = EventBlock(bounds.last + 1, bounds.last + len(events), frames)
        messages = [event.message_id for event in events if event.message_id]
        self._messages.update(messages)
        self._entries.append(_Entry(block, now, messages, [event.key for event in events]))
        self._bounds = LogBounds(bounds.oldest, block.last, bounds.size_bytes + len(frames))

    def trim(self, before: datetime, max_bytes: int) -> int:
        """Forget the oldest blocks: those committed before a time, or beyond a size. How many events went."""
        with self.changed:
            self.check_open()
            oldest = self._bounds.oldest
            while self._entries and self._entries[0].committed_at < before:
                self._forget_oldest()
            self._drop(max_bytes)
            return self._bounds.oldest - oldest

    def _drop(self, max_bytes: int) -> None:
        while self._bounds.size_bytes > max_bytes and self._entries:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        entry = self._entries.popleft()
        self._messages.difference_update(entry.messages)
        for key in entry.records:
            known = self._records.get(key)
            if known is not None and known.sequence <= entry.block.last:
                del self._records[key]
        bounds = self._bounds
        self._bounds = LogBounds(entry.block.last + 1, bounds.last, bounds.size_bytes - len(entry.block.frames))

    def check_open(self) -> None:
        """Raise UnavailableError (STORAGE_UNAVAILABLE) after ``close``."""
        if self._closed:
            raise UnavailableError("the log in memory was closed", reason=Reason.STORAGE_UNAVAILABLE)

    def close(self) -> None:
        """Wake the waiters for good."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
