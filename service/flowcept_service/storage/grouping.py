"""Group commit: one thread takes what many callers wait for, and settles it together."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

from flowcept.errors import FlowceptError
from flowcept_service.domain.store_state import WriterState

T = TypeVar("T")

MAX_OPERATIONS = 1024
"""Callers that share one commit at most."""


@dataclass(slots=True)
class Waiting(Generic[T]):
    """An operation on its way to the disk, and its caller's promise."""

    operation: T
    changes: int
    size: int
    promise: Future[Any] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """How operations are collected."""

    flush_interval: float
    """Seconds that an operation may wait for others. 0: what waits while a group is settled forms the next."""
    flush_size: int
    """Number of changes that ends such a wait early."""
    commit_bytes: int
    """About how many bytes a group writes at most."""


class GroupQueue(Generic[T]):
    """Hands the operations of all threads to one thread, in groups.

    Args:
        settle: Settles a group: sets the result or the exception of every promise. Must not raise.
        limits: How groups are collected.
        closed: Makes the error for operations that come after ``close``.
        name: Name of the queue.
        settled: Told of each group: the name, how many operations, and the seconds that settling them took.
        begin: Called in the thread before all else.
    """

    def __init__(
        self,
        settle: Callable[[list[Waiting[T]]], None],
        limits: GroupLimits,
        closed: Callable[[], FlowceptError],
        name: str,
        settled: Callable[[str, int, float], None],
        *,
        begin: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._settled = settled
        self._settle = settle
        self._limits = limits
        self._closed_error = closed
        self._begin = begin
        self._queue: SimpleQueue[Waiting[T] | None] = SimpleQueue()
        self._lock = Lock()
        self._closed = False
        self._thread = Thread(target=self._run, name=f"writer-{name}", daemon=True)
        self._thread.start()

    def submit(self, operation: T, *, changes: int = 1, size: int = 0) -> Any:
        """Wait until an operation is settled; its result.

        Args:
            operation: What is to be done.
            changes: How many changes it makes, for the flush size.
            size: About how many bytes it writes, for the size of a group.

        Raises:
            FlowceptError: the operation's own; or that the queue was closed.
        """
        waiting = Waiting(operation, changes, size)
        with self._lock:
            if self._closed:
                raise self._closed_error()
            self._queue.put(waiting)
        return waiting.promise.result()

    def state(self) -> WriterState:
        """How the queue is."""
        return WriterState(self._name, self._queue.qsize(), self._thread.is_alive())

    def close(self) -> None:
        """Finish what waits, then stop. Calling it again does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        if self._begin is not None:
            self._begin()
        open_ = True
        while open_:
            group, open_ = self._collect()
            if group:
                started = time.perf_counter()
                self._settle(group)
                self._settled(self._name, len(group), time.perf_counter() - started)

    def _collect(self) -> tuple[list[Waiting[T]], bool]:
        """What the next group holds, and whether more may come."""
        group: list[Waiting[T]] = []
        changes = size = 0
        deadline: float | None = None
        while changes < self._limits.flush_size or self._limits.flush_interval == 0:
            try:
                waiting = self._next(deadline)
            except Empty:
                break
            if waiting is None:
                return group, False
            group.append(waiting)
            changes += waiting.changes
            size += waiting.size
            if size >= self._limits.commit_bytes or len(group) >= MAX_OPERATIONS:
                break
            if deadline is None:
                deadline = time.monotonic() + self._limits.flush_interval
        return group, True

    def _next(self, deadline: float | None) -> Waiting[T] | None:
        if deadline is None:
            return self._queue.get()
        remaining = deadline - time.monotonic() if self._limits.flush_interval else 0.0
        return self._queue.get(timeout=remaining) if remaining > 0 else self._queue.get_nowait()
