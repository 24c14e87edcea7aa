"""Taking turns: queries that are evaluated here share the interpreter with everything else the service does."""

from __future__ import annotations

from collections import deque
from threading import Lock


class Turns:
    """Lets a few at a time go on, first come, first served.

    Not a semaphore: whoever gives its turn back and asks for another one would get it at once, before those who wait.

    Args:
        at_once: How many go on at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._lock = Lock()
        self._free = at_once
        self._waiting: deque[Lock] = deque()

    def take(self) -> None:
        """Wait for a turn."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            gate = Lock()
            gate.acquire()
            self._waiting.append(gate)
        gate.acquire()

    def give(self) -> None:
        """Let the next one go on."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
