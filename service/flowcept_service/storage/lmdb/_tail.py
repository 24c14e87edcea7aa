"""The newest blocks of the log, in memory: hundreds of subscribers that follow live share one copy of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from flowcept_service.domain.events import EventBlock, LogBounds

TAIL_BYTES: Final = 4 << 20


class LogTail:
    """Blocks without gaps, up to the end of the log. One thread adds; any number of threads read meanwhile."""

    def __init__(self) -> None:
        self._blocks: tuple[EventBlock, ...] = ()

    def add(self, written: Sequence[EventBlock], bounds: LogBounds) -> None:
        """Blocks were committed, and the log holds ``bounds`` now: what it no longer holds goes."""
        blocks = [block for block in (*self._blocks, *written) if block.first >= bounds.oldest]
        start, last, size = len(blocks), bounds.last, 0
        while start and blocks[start - 1].last == last and size < TAIL_BYTES:
            start -= 1
            last = blocks[start].first - 1
            size += len(blocks[start].frames)
        self._blocks = tuple(blocks[start:])

    def clear(self) -> None:
        """Hold nothing, for good or until more is added."""
        self._blocks = ()

    def read(self, after: int, max_bytes: int) -> list[EventBlock] | None:
        """As ``EventLog.read``; None where that lies outside of what is held here."""
        blocks = self._blocks
        if not blocks or not blocks[0].first - 1 <= after < blocks[-1].last:
            return None
        at = bisect_right(blocks, after + 1, key=_first) - 1
        found = [blocks[at]]
        size = len(blocks[at].frames)
        for block in blocks[at + 1 :]:
            size += len(block.frames)
            if size > max_bytes:
                break
            found.append(block)
        return found


def _first(block: EventBlock) -> int:
    return block.first
