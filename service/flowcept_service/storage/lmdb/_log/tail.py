"""The newest blocks of the log, in memory: hundreds of subscribers that follow live share one copy of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from flowcept_service.domain.events import EventBlock, LogBounds

TAIL_BYTES: Final = 4 << 20
CUT_AT_BYTES: Final = 2 * TAIL_BYTES
"""Older blocks go when there are so many bytes: all at once, since each commit adds but a few."""


class LogTail:
    """Blocks without gaps, up to the end of the log. One thread adds; any number of threads read meanwhile."""

    def __init__(self) -> None:
        # Grows in place and is replaced when it is cut: whoever reads goes on with the list that it began with.
        self._blocks: list[EventBlock] = []
        self._size = 0

    def add(self, written: Sequence[EventBlock], bounds: LogBounds) -> None:
        """Blocks were committed, and the log holds ``bounds`` now: what it no longer holds goes."""
        blocks = self._blocks
        self._size += sum(len(block.frames) for block in written)
        continues = not (blocks and written) or blocks[-1].last + 1 == written[0].first
        if continues and (not blocks or blocks[0].first >= bounds.oldest) and self._size <= CUT_AT_BYTES:
            blocks.extend(written)
            return
        self._cut([*blocks, *written], bounds)

    def _cut(self, blocks: list[EventBlock], bounds: LogBounds) -> None:
        """Keep the newest ``TAIL_BYTES`` of what the log holds, up to the first gap."""
        start, last, size = len(blocks), bounds.last, 0
        while start and size < TAIL_BYTES:
            block = blocks[start - 1]
            if block.last != last or block.first < bounds.oldest:
                break
            start -= 1
            last = block.first - 1
            size += len(block.frames)
        self._blocks, self._size = blocks[start:], size

    def clear(self) -> None:
        """Hold nothing, for good or until more is added."""
        self._blocks, self._size = [], 0

    def read(self, after: int, max_bytes: int) -> list[EventBlock] | None:
        """As ``EventLog.read``; None where that lies outside of what is held here."""
        blocks = self._blocks
        if not blocks or not blocks[0].first - 1 <= after < blocks[-1].last:
            return None
        at = bisect_right(blocks, after + 1, key=_first) - 1
        found = [blocks[at]]
        size = len(blocks[at].frames)
        for index in range(at + 1, len(blocks)):
            size += len(blocks[index].frames)
            if size > max_bytes:
                break
            found.append(blocks[index])
        return found


def _first(block: EventBlock) -> int:
    return block.first
