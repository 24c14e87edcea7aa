"""Many readers, or one that must be alone: LMDB's map may only be resized while no transaction is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from flowcept.errors import FlowceptError


class Gate:
    """Lets readers in together; one that must be alone waits for them, and keeps newcomers waiting.

    A thread must not enter twice: the second entry would wait for an exclusive holder that waits for the first.

    Args:
        closed: Makes the error that readers get once the gate was closed.
    """

    def __init__(self, closed: Callable[[], FlowceptError]) -> None:
        self._condition = Condition()
        self._readers = 0
        self._exclusive = False
        self._closed = False
        self._closed_error = closed

    def enter(self) -> None:
        """Come in as a reader; waits while somebody is alone."""
        with self._condition:
            while self._exclusive:
                self._condition.wait()
            if self._closed:
                raise self._closed_error()
            self._readers += 1

    def leave(self) -> None:
        """Leave as a reader."""
        with self._condition:
            self._readers -= 1
            if self._exclusive and not self._readers:
                self._condition.notify_all()

    @contextmanager
    def alone(self, *, closing: bool = False) -> Iterator[None]:
        """Wait for the readers to leave and keep others out; with ``closing``, for ever."""
        with self._condition:
            while self._exclusive:
                self._condition.wait()
            self._exclusive = True
            while self._readers:
                self._condition.wait()
        try:
            yield
        finally:
            with self._condition:
                self._exclusive = False
                self._closed = self._closed or closing
                self._condition.notify_all()
