"""Breaking off streams on which nothing moves."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

_LONGEST_LOOK = 5.0  # seconds between two looks at the streams


class Watch:
    """One stream under watch. It counts as idle only while armed: while its user waits for the other side."""

    __slots__ = ("_cancel", "_clock", "_deadline", "_timeout", "expired")

    def __init__(self, timeout: float, cancel: Callable[[], object], clock: Callable[[], float]) -> None:
        self._timeout = timeout
        self._cancel = cancel
        self._clock = clock
        self._deadline = math.inf
        self.expired = False
        """Whether the stream was broken off."""

    def arm(self) -> None:
        """The wait begins, or something moved."""
        self._deadline = self._clock() + self._timeout

    def disarm(self) -> None:
        """The wait is over."""
        self._deadline = math.inf

    def look(self) -> None:
        """Break the stream off if it was idle for too long."""
        if self._clock() > self._deadline:
            self._deadline = math.inf
            self.expired = True
            self._cancel()


class Watchdog:
    """Looks after all streams of a connection, in one thread that runs while there are any."""

    def __init__(self, timeout: float, clock: Callable[[], float]) -> None:
        self.timeout = timeout
        self._clock = clock
        self._watches: set[Watch] = set()
        self._running = False
        self._changed = threading.Condition()

    def watch(self, cancel: Callable[[], object]) -> Watch:
        """Watch a stream; ``cancel`` breaks it off."""
        watch = Watch(self.timeout, cancel, self._clock)
        with self._changed:
            self._watches.add(watch)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="flowcept-watchdog", daemon=True).start()
        return watch

    def forget(self, watch: Watch) -> None:
        """The stream has ended."""
        with self._changed:
            self._watches.discard(watch)

    def _run(self) -> None:
        pause = min(self.timeout / 4, _LONGEST_LOOK)
        idle_looks = 0
        while True:
            with self._changed:
                self._changed.wait(pause)
                watches = list(self._watches)
                # The thread outlives a short gap between streams: small downloads in a row need not start one each.
                idle_looks = 0 if watches else idle_looks + 1
                if idle_looks > 2:
                    self._running = False
                    return
            for watch in watches:
                watch.look()
