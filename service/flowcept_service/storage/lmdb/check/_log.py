"""The event log: gap-free, decodable, within its bounds; and the messages and consumers that belong to it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from flowcept_service.domain.events import EventBlock, LogBounds
from flowcept_service.storage.lmdb._environment.keys import NUMBER
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._log.tables import (
    BOUNDS_KEY,
    pack_bounds,
    read_bounds,
    split_keys,
    unpack_block,
)
from flowcept_service.storage.lmdb._tables import RECORDS
from flowcept_service.storage.lmdb.check._finding import Finding, Fix, Kind
from flowcept_service.storage.lmdb.check._rows import drop, entries, put, rows, text, value_of
from flowcept_service.storage.lmdb.offline import Snapshot

BlockProblem = Callable[[EventBlock], str]
"""What is wrong with a block's events, or nothing."""
_SIDES: Final = ("event_messages", "event_requests")


class LogCheck:
    """The check of the log.

    Args:
        snapshot: The store.
        problem_of: Decodes a block's events.
    """

    def __init__(self, snapshot: Snapshot, problem_of: BlockProblem) -> None:
        self._snapshot = snapshot
        self._problem_of = problem_of
        self._bounds = read_bounds(snapshot.records, snapshot.record_file.meta)
        self.events = 0
        """How many were looked at."""

    def run(self) -> Iterator[Finding]:
        """What is wrong."""
        yield from self._blocks()
        yield from self._sides()
        yield from self._messages()
        yield from self._consumers()

    def _blocks(self) -> Iterator[Finding]:
        first: int | None = None
        last, size, gap = self._bounds.oldest - 1, 0, False
        for key, value in rows(self._snapshot, "events"):
            try:
                block = unpack_block(key, value)
            except struct.error:
                yield Finding(Kind.LOG_UNREADABLE, "events", text(key), "the block cannot be decoded")
                continue
            size += len(value)
            if first is None:
                first = block.first
                if first <= self._bounds.oldest or not self._has_bounds():
                    last = first - 1
            if block.first != last + 1:
                gap = True
                yield self._gap(last + 1, block.first - 1)
            problem = self._problem_of(block)
            if problem:
                yield Finding(Kind.LOG_UNREADABLE, "events", f"{block.first} to {block.last}", problem)
            self.events += block.last - block.first + 1
            last = block.last
        if last < self._bounds.last:
            gap = True
            yield self._gap(last + 1, self._bounds.last)
        # With events missing, the bounds are all that tells what there was.
        found = LogBounds(self._bounds.oldest if first is None else first, last, size)
        if not gap and found != self._bounds:
            yield self._wrong_bounds(found)
            self._bounds = found

    def _has_bounds(self) -> bool:
        return self._snapshot.records.get(BOUNDS_KEY, db=self._snapshot.record_file.meta) is not None

    @staticmethod
    def _gap(first: int, last: int) -> Finding:
        if last < first:
            return Finding(Kind.LOG_GAP, "events", f"{last + 1} to {first - 1}", "the events are there twice")
        return Finding(Kind.LOG_GAP, "events", f"{first} to {last}", "the events are missing; a backup may have them")

    def _wrong_bounds(self, found: LogBounds) -> Finding:
        told = self._bounds
        return Finding(
            Kind.LOG_BOUNDS,
            "events",
            f"{found.oldest} to {found.last}",
            f"the log says that it holds {told.oldest} to {told.last} in {told.size_bytes:,} bytes, and it holds "
            f"{found.oldest} to {found.last} in {found.size_bytes:,}",
            Fix(RECORDS, lambda txn: self._set_bounds(txn, found)),
        )

    def _set_bounds(self, txn: WriteTransaction, bounds: LogBounds) -> bool:
        txn.put(BOUNDS_KEY, pack_bounds(bounds), self._snapshot.record_file.meta)
        return False

    def _sides(self) -> Iterator[Finding]:
        for table in _SIDES:
            for key, _ in rows(self._snapshot, table):
                # Within the log, it belongs to events whose absence was found already, and still serves repeats.
                if not self._bounds.oldest <= NUMBER.unpack(key)[0] <= self._bounds.last:
                    what = str(NUMBER.unpack(key)[0])
                    problem = "it belongs to events that the log does not hold"
                    yield Finding(Kind.LOG_STRAY, table, what, problem, drop(self._snapshot, table, key))

    def _messages(self) -> Iterator[Finding]:
        found = 0
        for key, joined in rows(self._snapshot, "event_messages"):
            for name in split_keys(joined):
                if value_of(self._snapshot, "messages", name) is not None:
                    found += 1
                    continue
                # As of a copied log: any sequence within the block serves, for it is not looked at.
                fix = put(self._snapshot, "messages", name, key)
                problem = "the message is not known, and would be stored again if it were repeated"
                yield Finding(Kind.MESSAGE_MISSING, "messages", text(name), problem, fix)
        if found != entries(self._snapshot, "messages"):
            yield from self._stray_messages()

    def _stray_messages(self) -> Iterator[Finding]:
        for name, sequence in rows(self._snapshot, "messages"):
            joined = self._messages_around(sequence)
            if name not in set(split_keys(joined)):
                yield Finding(
                    Kind.MESSAGE_STRAY,
                    "messages",
                    text(name),
                    "no event of the log came from the message, so it would be known for ever",
                    drop(self._snapshot, "messages", name),
                )

    def _messages_around(self, sequence: bytes) -> bytes:
        """The messages of the block that an event belongs to."""
        with self._snapshot.records.cursor(self._snapshot.record_file.table("event_messages")) as cursor:
            found = cursor.set_range(sequence)
            if found and cursor.key() == sequence:
                return cursor.value()
            return cursor.value() if (cursor.prev() if found else cursor.last()) else b""

    def _consumers(self) -> Iterator[Finding]:
        for name, value in rows(self._snapshot, "consumers"):
            position = NUMBER.unpack(value)[0] if len(value) == NUMBER.size else None
            if position is None or position > self._bounds.last:
                problem = f"it stands at {position}, and the log ends at {self._bounds.last}"
                yield Finding(Kind.CONSUMER, "consumers", text(name), problem)
