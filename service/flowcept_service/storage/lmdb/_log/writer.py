"""Appends to the event log, in the transactions of the changes that the events tell of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Collection as AnyCollection
from datetime import datetime
from threading import Condition
from typing import Final

from flowcept_service.domain.events import EventBlock, EventDraft, EventEncoder, EventKind, LogBounds
from flowcept_service.domain.replication import LogBlock
from flowcept_service.storage.lmdb._environment.environment import Environment
from flowcept_service.storage.lmdb._environment.keys import NUMBER, text_key
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._log.tables import (
    BOUNDS_KEY,
    join_keys,
    pack_block,
    pack_bounds,
    read_bounds,
    split_keys,
    unpack_header,
)
from flowcept_service.storage.lmdb._log.tail import LogTail
from flowcept_service.storage.observer import StoreObserver, Unobserved
from flowcept_service.storage.refusals import does_not_continue

BLOCK_BYTES: Final = 1 << 20
"""A block is complete with the event that brings it beyond this size; blocks are read, sent and trimmed as a whole."""
TRIMMED_AT_ONCE: Final = 32
"""Blocks in one transaction of a trim, which others wait for."""


class EventLogWriter:
    """Gives sequences, gathers a transaction's events into blocks, and wakes those who wait for events.

    All but ``bounds`` and ``wait`` happens in the writer's thread.

    Args:
        environment: The environment, with ``EVENT_TABLES``.
        encoder: Makes the bytes of an event.
        clock: The time of a commit.
        observer: Told of what was committed.
    """

    def __init__(
        self,
        environment: Environment,
        encoder: EventEncoder,
        clock: Callable[[], datetime],
        observer: StoreObserver | None = None,
    ) -> None:
        self._observer = observer or Unobserved()
        self._encoder = encoder
        self._clock = clock
        self._events = environment.table("events")
        self._event_messages = environment.table("event_messages")
        self._event_requests = environment.table("event_requests")
        self._messages = environment.table("messages")
        self._meta = environment.meta
        with environment.read() as txn:
            self._bounds = read_bounds(txn, self._meta)
        self._changed = Condition()
        self._closed = False
        self.tail = LogTail()
        self.begin()

    def begin(self) -> None:
        """See ``CommitListener.begin``."""
        self.now = self._clock()
        self._last = self._bounds.last
        self._oldest = self._bounds.oldest
        self._log_bytes = self._bounds.size_bytes
        self._frames: list[bytes] = []
        self._frame_bytes = 0
        self._message_keys: list[bytes] = []
        self._request_keys: list[bytes] = []
        self._written: list[EventBlock] = []
        self._kinds: Counter[EventKind] = Counter()

    @property
    def next_sequence(self) -> int:
        """The sequence that the next event of this transaction gets."""
        return self._last + 1

    def append(
        self,
        txn: WriteTransaction,
        drafts: Sequence[EventDraft],
        message_keys: Sequence[bytes] | None = None,
        request_key: bytes = b"",
    ) -> None:
        """Append events.

        Args:
            txn: The transaction.
            drafts: The events.
            message_keys: By event, the key of the message that it came from, or nothing. Kept as long as the event.
            request_key: Key of the request that they came from, or nothing.
        """
        txn.written = True
        if request_key:
            self._request_keys.append(request_key)
        self._kinds.update([draft.kind for draft in drafts])
        first = self._last + 1
        body, frame = self._encoder.body, self._encoder.frame
        for index, draft in enumerate(drafts):
            self._last += 1
            data = frame(self._last, body(draft))
            self._frames.append(data)
            self._frame_bytes += len(data)
            if message_keys is not None and message_keys[index]:
                self._message_keys.append(message_keys[index])
            if self._frame_bytes >= BLOCK_BYTES:
                self._write_own_block(txn)
        if message_keys is not None:
            numbered = [(key, NUMBER.pack(sequence)) for sequence, key in enumerate(message_keys, first) if key]
            if numbered:
                txn.put_many(sorted(numbered), self._messages)

    def copy(self, txn: WriteTransaction, block: LogBlock) -> None:
        """Append a block of another log as it is.

        Raises:
            PreconditionError: STORAGE_INCOMPATIBLE, when it does not continue this log.
        """
        if self._frames or block.events.first != self._last + 1:
            raise does_not_continue(self._last, block.events)
        self._last = block.events.last
        self._frames, self._frame_bytes = [block.events.frames], len(block.events.frames)
        self._message_keys = [text_key(message_id) for message_id in block.messages]
        self._request_keys = [text_key(request.request_id) for request in block.requests]
        if self._message_keys:
            last = NUMBER.pack(self._last)
            txn.put_many(((key, last) for key in sorted(self._message_keys)), self._messages)
        self._write_block(txn, block.events.first, block.committed_at)

    def restart(self, txn: WriteTransaction, after: int) -> None:
        """Let a log that holds nothing (any more) go on behind another sequence."""
        txn.written = True
        self._oldest, self._last, self._log_bytes = after + 1, after, 0

    def known_messages(self, txn: WriteTransaction, message_keys: AnyCollection[bytes]) -> set[bytes]:
        """The keys of messages that were stored before, within the retention of the log."""
        return set(txn.get_many(message_keys, self._messages))

    def trim(self, txn: WriteTransaction, before: datetime, max_bytes: int) -> int:
        """Delete the oldest blocks: those committed before a time, or beyond a size; ``TRIMMED_AT_ONCE`` at most.

        Returns:
            How many events went.
        """
        before_ms = int(before.timestamp() * 1000)
        expired: list[bytes] = []
        oldest, size = self._oldest, self._log_bytes
        with txn.reader.cursor(self._events) as cursor:
            found = cursor.first()
            while found and len(expired) < TRIMMED_AT_ONCE:
                key, value = cursor.item()
                header = unpack_header(value)
                if header.committed_ms >= before_ms and size <= max_bytes:
                    break
                expired.append(key)
                oldest = header.last + 1
                size -= len(value)
                found = cursor.next()
        for key in expired:
            txn.delete(key, self._events)
            self._forget_messages(txn, key)
        events = oldest - self._oldest
        self._oldest, self._log_bytes = oldest, size
        return events

    def _forget_messages(self, txn: WriteTransaction, block_key: bytes) -> None:
        txn.delete(block_key, self._event_requests)
        joined = txn.get(block_key, self._event_messages)
        if joined is None:
            return
        for key in split_keys(joined):
            txn.delete(key, self._messages)
        txn.delete(block_key, self._event_messages)

    def finish(self, txn: WriteTransaction) -> None:
        """See ``CommitListener.finish``."""
        if self._frames:
            self._write_own_block(txn)
        bounds = self._pending()
        if bounds != self._bounds:
            txn.put(BOUNDS_KEY, pack_bounds(bounds), self._meta)

    def committed(self) -> None:
        """See ``CommitListener.committed``."""
        bounds = self._pending()
        if bounds != self._bounds:
            self.tail.add(self._written, bounds)
            with self._changed:
                self._bounds = bounds
                self._changed.notify_all()
        for kind, count in self._kinds.items():
            self._observer.appended(kind, count)

    def _pending(self) -> LogBounds:
        return LogBounds(self._oldest, self._last, self._log_bytes)

    def _write_own_block(self, txn: WriteTransaction) -> None:
        self._write_block(txn, self._last - len(self._frames) + 1, self.now)

    def _write_block(self, txn: WriteTransaction, first: int, committed_at: datetime) -> None:
        key = NUMBER.pack(first)
        frames = b"".join(self._frames)
        block = pack_block(self._last, int(committed_at.timestamp() * 1000), frames)
        txn.put(key, block, self._events, append=True)
        self._written.append(EventBlock(first, self._last, frames))
        if self._message_keys:
            txn.put(key, join_keys(self._message_keys), self._event_messages, append=True)
        if self._request_keys:
            txn.put(key, join_keys(self._request_keys), self._event_requests, append=True)
        self._log_bytes += len(block)
        self._frames, self._frame_bytes, self._message_keys, self._request_keys = [], 0, [], []

    def bounds(self) -> LogBounds:
        """What the log holds durably."""
        return self._bounds

    def wait(self, after: int, timeout: float) -> bool:
        """See ``EventLog.wait``."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._bounds.last > after, timeout)
            return self._bounds.last > after

    def close(self) -> None:
        """Wake the waiters for good."""
        self.tail.clear()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
