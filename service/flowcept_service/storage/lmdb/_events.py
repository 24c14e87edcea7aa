"""The event log role: reading, waiting, and the positions of durable consumers."""

from __future__ import annotations

from heapq import nsmallest

from flowcept_service.domain.events import EventBlock, LogBounds
from flowcept_service.domain.store_state import ConsumerPosition
from flowcept_service.storage.lmdb._environment.environment import Environment
from flowcept_service.storage.lmdb._environment.keys import NUMBER, text_key
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._environment.writer import GroupWriter
from flowcept_service.storage.lmdb._log.tables import blocks_behind, read_bounds, unpack_block
from flowcept_service.storage.lmdb._log.writer import EventLogWriter
from flowcept_service.storage.refusals import check_held, sequence_not_reached


class LmdbEventLog:
    """Keeps ``storage.contract.EventLog``.

    Args:
        environment: The environment of the log, with ``EVENT_TABLES``.
        writer: Its writer.
        log: Appends events, and knows how far the log goes.
    """

    def __init__(self, environment: Environment, writer: GroupWriter, log: EventLogWriter) -> None:
        self._environment = environment
        self._writer = writer
        self._log = log
        self._events = environment.table("events")
        self._consumers = environment.table("consumers")

    def bounds(self) -> LogBounds:
        """See ``EventLog.bounds``."""
        with self._environment.read() as txn:
            return read_bounds(txn, self._environment.meta)

    def read(self, after: int, max_bytes: int) -> list[EventBlock]:
        """See ``EventLog.read``."""
        newest = self._log.tail.read(after, max_bytes)
        if newest is not None:
            return newest
        with self._environment.read() as txn, txn.cursor(self._events) as cursor:
            bounds = read_bounds(txn, self._environment.meta)
            check_held(after, bounds)
            if after == bounds.last:
                return []
            blocks: list[EventBlock] = []
            size = 0
            for key, value in blocks_behind(cursor, after):
                block = unpack_block(key, value)
                size += len(block.frames)
                if blocks and size > max_bytes:
                    break
                blocks.append(block)
            return blocks

    def wait(self, after: int, timeout: float) -> bool:
        """See ``EventLog.wait``."""
        return self._log.wait(after, timeout)

    def position(self, consumer: str) -> int | None:
        """See ``EventLog.position``."""
        with self._environment.read() as txn:
            data = txn.get(text_key(consumer), db=self._consumers)
        return None if data is None else int(NUMBER.unpack(data)[0])

    def slowest_consumers(self, limit: int) -> tuple[int, tuple[ConsumerPosition, ...]]:
        """How many durable consumers there are, and those that are the furthest behind."""
        with self._environment.read() as txn, txn.cursor(self._consumers) as cursor:
            positions = [ConsumerPosition(key.decode(), int(NUMBER.unpack(data)[0])) for key, data in cursor]
        return len(positions), tuple(nsmallest(limit, positions, key=lambda one: one.sequence))

    def acknowledge(self, consumer: str, sequence: int) -> int:
        """See ``EventLog.acknowledge``."""
        key = text_key(consumer)

        def operation(txn: WriteTransaction) -> int:
            last = self._log.bounds().last
            if sequence > last:
                raise sequence_not_reached(sequence, last)
            data = txn.get(key, self._consumers)
            known = -1 if data is None else int(NUMBER.unpack(data)[0])
            if sequence > known:
                txn.put(key, NUMBER.pack(sequence), self._consumers)
            return max(sequence, known)

        return self._writer.submit(operation)

    def delete_consumer(self, consumer: str) -> int | None:
        """See ``EventLog.delete_consumer``."""
        key = text_key(consumer)

        def operation(txn: WriteTransaction) -> int | None:
            data = txn.get(key, self._consumers)
            if data is None:
                return None
            txn.delete(key, self._consumers)
            return int(NUMBER.unpack(data)[0])

        return self._writer.submit(operation)
