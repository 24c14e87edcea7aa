"""The copy of a run's messages: what ``buffer`` shows, and what the buffer file gets."""

from __future__ import annotations

import logging
import threading
from collections import deque
from pathlib import Path

from flowcept.jsonlines import encode_line, read_messages
from flowcept.replacing import part_path

_UNWRITTEN = 4  # times the bound of memory, for what a full disk does not take

_log = logging.getLogger(__name__)


class RunLog:
    """All messages of a run, oldest first. Thread-safe.

    Args:
        memory: Bytes of messages, estimated, that are kept in memory. What exceeds them goes to a part of the buffer
            file, or is forgotten where no such file is wanted.
        copy: The buffer file; None when none is wanted.
    """

    def __init__(self, memory: int, copy: Path | None) -> None:
        self._memory = memory
        # Absolute, because the user's code may change the working directory.
        self._copy = None if copy is None else copy.absolute()
        self._part: Path | None = None
        self._messages: deque[tuple[dict[str, object], int]] = deque()
        self._weight = 0
        self._lock = threading.Lock()
        self._file_lock = threading.Lock()
        self.forgotten = 0
        """How many older messages are no longer here."""

    def append(self, message: dict[str, object], weight: int) -> None:
        """Add a message."""
        with self._lock:
            self._messages.append((message, weight))
            self._weight += weight

    @property
    def is_crowded(self) -> bool:
        """Whether there is far too much in memory, because nobody makes room, and a file where it can go."""
        return self._copy is not None and self._weight > 2 * self._memory

    def relieve(self) -> None:
        """Make room in memory if there is too much. Takes its time: not for the user's thread, if there is another.

        Raises:
            OSError: The part of the buffer file cannot be written. What was to go there stays in memory, up to a bound.
        """
        with self._file_lock:
            with self._lock:
                surplus = self._surplus(self._memory)
            if not surplus:
                return
            if self._copy is None:
                self.forgotten += len(surplus)
                return
            try:
                self._write([message for message, _ in surplus])
            except OSError:
                with self._lock:
                    self._messages.extendleft(reversed(surplus))
                    self._weight += sum(weight for _, weight in surplus)
                    self.forgotten += len(self._surplus(_UNWRITTEN * self._memory))
                raise

    def messages(self) -> list[dict[str, object]]:
        """What is kept, oldest first; at first sight a copy, the messages themselves are shared."""
        with self._file_lock:
            older = [] if self._part is None else list(read_messages(self._part))
            with self._lock:
                return older + [message for message, _ in self._messages]

    def finish(self) -> None:
        """Complete the buffer file, in place of what was there. Nothing is written for a run without messages.

        Raises:
            OSError: It cannot be written.
        """
        if self._copy is None:
            return
        with self._file_lock, self._lock:
            rest = [message for message, _ in self._messages]
            self._messages.clear()
            self._weight = 0
            if rest or self._part is not None:
                self._write(rest)
            if self._part is not None:
                self._part.replace(self._copy)
                self._part = None
        if self.forgotten:
            _log.warning("%d messages are not in %s: it could not be written for a while", self.forgotten, self._copy)

    def clear(self) -> None:
        """Forget everything and touch no file: in a forked process, whose parent keeps the log."""
        self._lock = threading.Lock()
        self._file_lock = threading.Lock()
        self._messages = deque()
        self._weight = 0
        self._part = None
        self._copy = None

    def _surplus(self, bound: int) -> list[tuple[dict[str, object], int]]:
        surplus = []
        while self._weight > bound and self._messages:
            message, weight = self._messages.popleft()
            self._weight -= weight
            surplus.append((message, weight))
        return surplus

    def _write(self, messages: list[dict[str, object]]) -> None:
        assert self._copy is not None  # noqa: S101 - callers have looked
        if self._part is None:
            self._copy.parent.mkdir(parents=True, exist_ok=True)
            self._part = part_path(self._copy)
        lines = memoryview(b"".join(encode_line(message) for message in messages))
        with self._part.open("ab", buffering=0) as file:
            end = file.tell()
            try:
                while lines:
                    lines = lines[file.write(lines) :]
            except OSError:
                # Of what is tried again, half must not be there already.
                file.truncate(end)
                raise
