"""Running an iterator ahead of its consumer, so that the two work at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from threading import Condition, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetch(Generic[T]):
    """An iterator that a thread of its own runs ahead, by a bounded number of bytes.

    What the source raises is raised by ``__next__``, after everything that came before it.

    Args:
        source: What is iterated; from now on by the thread alone. It is closed by that thread, when it has ended.
        weigh: The bytes that an item holds.
        limit: Bytes ahead; an item that is larger goes alone.
        name: Name of the thread.
        begin: Called in the thread before all else.
    """

    def __init__(
        self,
        source: Iterator[T],
        weigh: Callable[[T], int],
        limit: int,
        name: str,
        begin: Callable[[], None] | None = None,
    ) -> None:
        self._weigh = weigh
        self._limit = limit
        self._begin = begin
        self._changed = Condition()
        self._items: deque[T] = deque()
        self._held = 0
        self._end: BaseException | None = None
        self._closed = False
        # A daemon: blocked in a source that never answers, it must not keep the process from ending.
        Thread(target=self._run, args=(source,), name=name, daemon=True).start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            while not self._items:
                if self._end is not None:
                    raise self._end
                self._changed.wait()
            item = self._items.popleft()
            self._held -= self._weigh(item)
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Let go of what was fetched. The thread ends as soon as the source gives it back."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._held = 0
            self._changed.notify_all()

    def _run(self, source: Iterator[T]) -> None:
        end: BaseException = StopIteration()
        try:
            if self._begin is not None:
                self._begin()
            for item in source:
                if not self._offer(item):
                    break
                del item  # or the last one would be held while the next is awaited
        except BaseException as error:  # noqa: BLE001 - raised again where the items are consumed
            end = error
        with self._changed:
            self._end = end
            self._changed.notify_all()

    def _offer(self, item: T) -> bool:
        size = self._weigh(item)
        with self._changed:
            while self._held and self._held + size > self._limit and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._held += size
            self._changed.notify_all()
            return True
