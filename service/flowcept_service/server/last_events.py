"""The last events of the log, for people who want to see that something happens."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Final

import structlog

from flowcept.errors import FlowceptError
from flowcept_service.domain.events import EventReader
from flowcept_service.storage.contract import EventLog

_log = structlog.get_logger(__name__)

SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """One event, without what it says of the record."""

    sequence: int
    kind: str
    action: str
    id: str
    """Of the record or object: chosen by users."""
    commit_time: datetime


class LastEvents:
    """Looks the end of the log up, now and then.

    Args:
        log: The log.
        reader: Reads its events.
        interval: Seconds between two looks, however many ask.
        clock: Monotonic seconds.
    """

    def __init__(self, log: EventLog, reader: EventReader, interval: float, clock: Callable[[], float]) -> None:
        self._log = log
        self._reader = reader
        self._clock = clock
        self._lock = Lock()
        self._interval = interval
        self._looked_at = -math.inf
        self._known: tuple[ShownEvent, ...] = ()

    def look(self, *, answers: bool) -> tuple[ShownEvent, ...]:
        """The newest first.

        Args:
            answers: Whether the store does, as far as known; else it is not asked, and what was known is returned.
        """
        with self._lock:
            if answers and self._clock() - self._looked_at >= self._interval:
                # Also where that fails: who asks next must not wait for an absent store again.
                self._looked_at = self._clock()
                try:
                    self._known = self._read()
                except FlowceptError as error:
                    _log.debug("the last events could not be read", reason=error.reason, error=error.message)
            return self._known

    def _read(self) -> tuple[ShownEvent, ...]:
        bounds = self._log.bounds()
        if self._known and self._known[0].sequence == bounds.last:
            return self._known
        position = max(bounds.oldest - 1, bounds.last - SHOWN)
        newest: deque[ShownEvent] = deque(maxlen=SHOWN)
        while position < bounds.last:
            for block in self._log.read(position, 1):
                for sequence, event in enumerate(self._reader.read(block.frames), block.first):
                    kind, action = event.kind.name.lower(), event.action.name.lower()
                    newest.appendleft(ShownEvent(sequence, kind, action, event.id, event.commit_time))
                position = block.last
        return tuple(newest)
