"""How far the log is known to go, in this process; and those who wait until it goes further."""

from __future__ import annotations

from threading import Condition

from flowcept_service.storage.mongodb._commit.unit import Position


class Horizon:
    """The furthest position of the log that is known to be committed. Thread-safe."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._position = Position(0, 0)
        self._closed = False

    @property
    def position(self) -> Position:
        """The furthest position."""
        return self._position

    def reach(self, position: Position) -> None:
        """Learn of a position; earlier ones are known."""
        with self._changed:
            if position > self._position:
                self._position = position
                self._changed.notify_all()

    def wait(self, after: int, timeout: float) -> bool:
        """See ``EventLog.wait``."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._position.last > after, timeout)
            return self._position.last > after

    def close(self) -> None:
        """Wake the waiters for good."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
