"""The copy of a run's messages: what ``buffer`` shows, and what the buffer file gets."""

from __future__ import annotations

import logging
import threading
from collections import deque
from pathlib import Path

from flowcept.jsonlines import encode_line, read_messages
from flowcept.replacing import part_path

_UNWRITTEN = 4  # times the bound of memory, for what a full disk does not take
_AT_ONCE = 1 << 20  # bytes of messages, estimated, in one write: a disk that is full does not cost more work than that

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
        self._tolerated = memory
        """Bytes up to which nothing is done: more after a failure, so that a full disk is not tried all the time."""
        # Reentrant: a signal handler may capture something while its thread adds a message.
        self._lock = threading.RLock()
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
        return self._copy is not None and self._weight > max(2 * self._memory, self._tolerated)

    def relieve(self) -> None:
        """Make room in memory if there is too much. Takes its time: not for the user's thread, if there is another.

        Raises:
            OSError: The part of the buffer file cannot be written. What was to go there stays in memory, up to a bound.
        """
        if self._weight <= self._tolerated or not self._file_lock.acquire(blocking=False):
            return  # somebody is at it, perhaps this thread, whose signal handler captures something
        try:
            if self._copy is None:
                with self._lock:
                    self.forgotten += len(self._take(self._memory))
                return
            excess = self._weight - self._memory  # of now: what comes meanwhile is for the next time
            while excess > 0:
                excess -= self._write_some(min(excess, _AT_ONCE))
            self._tolerated = self._memory
        finally:
            self._file_lock.release()

    def messages(self) -> list[dict[str, object]]:
        """What is kept, oldest first; at first sight a copy, the messages themselves are shared."""
        with self._file_lock:
            older = [] if self._part is None else list(read_messages(self._part))
            with self._lock:
                kept = list(self._messages)  # in one step: a signal handler may capture something meanwhile
        return older + [message for message, _ in kept]

    def finish(self) -> None:
        """Complete the buffer file, in place of what was there. Nothing is written for a run without messages.

        Raises:
            OSError: It cannot be written; ``messages`` has all of them still.
        """
        if self._copy is None:
            return
        with self._file_lock, self._lock:
            rest, self._messages = self._messages, deque()
            try:
                if rest or self._part is not None:
                    self._write([message for message, _ in rest])
            except BaseException:
                self._messages.extendleft(reversed(rest))
                raise
            self._weight = 0
            if self._part is not None:
                self._part.replace(self._copy)
                self._part = None
        if self.forgotten:
            _log.warning("%d messages are not in %s: it could not be written for a while", self.forgotten, self._copy)

    def discard(self) -> None:
        """Forget everything, what is on disk of it too."""
        part = self._part
        self.clear()
        if part is not None:
            part.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget everything and touch no file: in a forked process, whose parent keeps the log."""
        self._lock = threading.RLock()
        self._file_lock = threading.Lock()
        self._messages = deque()
        self._weight = 0
        self._part = None
        self._copy = None

    def _take(self, bound: int) -> list[tuple[dict[str, object], int]]:
        """The oldest messages, so that no more than ``bound`` stays."""
        taken = []
        while self._weight > bound and self._messages:
            message, weight = self._messages.popleft()
            self._weight -= weight
            taken.append((message, weight))
        return taken

    def _write_some(self, size: int) -> int:
        """Write the oldest messages, of so many bytes or a little more; how many bytes they are."""
        with self._lock:
            oldest = self._take(self._weight - size)
        taken = sum(weight for _, weight in oldest)
        try:
            self._write([message for message, _ in oldest])
        except BaseException:  # Ctrl-C too: in a run without a service it is the user's thread that writes
            with self._lock:
                self._messages.extendleft(reversed(oldest))
                self._weight += taken
                self.forgotten += len(self._take(_UNWRITTEN * self._memory))
                self._tolerated = self._weight + self._memory // 4
            raise
        return taken

    def _write(self, messages: list[dict[str, object]]) -> None:
        assert self._copy is not None  # noqa: S101 - callers have looked
        part = self._part
        if part is None:
            self._copy.parent.mkdir(parents=True, exist_ok=True)
            part = part_path(self._copy)
        lines = memoryview(b"".join(encode_line(message) for message in messages))
        with part.open("ab", buffering=0) as file:
            self._part = part  # only now is there something to read
            end = file.tell()
            try:
                while lines:
                    lines = lines[file.write(lines) :]
            except BaseException:
                # Of what is tried again, half must not be there already.
                file.truncate(end)
                raise
