"""A log in memory for tests of what reads it, and drafts to fill it with."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import bson

from flowcept_service.domain.events import EventAction, EventBlock, EventDraft, EventKind, LogBounds
from flowcept_service.events.codec import ProtobufEventEncoder
from flowcept_service.storage.refusals import check_held

COMMIT_TIME = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)


def draft(event_id: str = "t1", **given: Any) -> EventDraft:
    """An event about a task, or about whatever the arguments say; ``document`` may be a dict."""
    fields: dict[str, Any] = {
        "kind": EventKind.TASK,
        "action": EventAction.CREATED,
        "workflow_id": "",
        "campaign_id": "",
        "activity_id": "",
        "object_type": "",
        "object_version": 0,
        "commit_time": COMMIT_TIME,
        "document": {"task_id": event_id},
        **given,
    }
    if isinstance(fields["document"], dict):
        fields["document"] = bson.encode(fields["document"])
    return EventDraft(id=event_id, **fields)


class MemoryLog:
    """An ``EventLog`` in memory that keeps one block for each call of ``append``."""

    def __init__(self) -> None:
        self._encoder = ProtobufEventEncoder()
        self._grown = threading.Condition()
        self._blocks: list[EventBlock] = []
        self._bounds = LogBounds(1, 0, 0)
        self._positions: dict[str, int] = {}

    def append(self, drafts: Iterable[EventDraft]) -> int:
        """Commit events together; the last sequence."""
        with self._grown:
            first = self._bounds.last + 1
            frames = [self._encoder.frame(first + i, self._encoder.body(draft)) for i, draft in enumerate(drafts)]
            last = self._bounds.last + len(frames)
            self._blocks.append(EventBlock(first, last, b"".join(frames)))
            self._bounds = LogBounds(self._bounds.oldest, last, 0)
            self._grown.notify_all()
            return last

    def trim(self, oldest: int) -> None:
        """Forget whole blocks before a sequence that begins one."""
        with self._grown:
            self._blocks = [block for block in self._blocks if block.first >= oldest]
            self._bounds = LogBounds(oldest, self._bounds.last, 0)

    def bounds(self) -> LogBounds:
        return self._bounds

    def read(self, after: int, max_bytes: int) -> list[EventBlock]:
        with self._grown:
            check_held(after, self._bounds)
            found: list[EventBlock] = []
            size = 0
            for block in self._blocks:
                if block.last > after and (not found or size + len(block.frames) <= max_bytes):
                    found.append(block)
                    size += len(block.frames)
            return found

    def wait(self, after: int, timeout: float) -> bool:
        with self._grown:
            return self._grown.wait_for(lambda: self._bounds.last > after, timeout)

    def position(self, consumer: str) -> int | None:
        return self._positions.get(consumer)

    def acknowledge(self, consumer: str, sequence: int) -> int:
        self._positions[consumer] = max(sequence, self._positions.get(consumer, 0))
        return self._positions[consumer]

    def delete_consumer(self, consumer: str) -> int | None:
        return self._positions.pop(consumer, None)
