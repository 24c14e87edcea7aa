"""Counting what the store commits."""

from __future__ import annotations

from flowcept_service.domain.events import EventKind
from flowcept_service.server.metrics.definitions import APPENDED, COMMIT_OPERATIONS, COMMIT_SECONDS
from flowcept_service.server.metrics.registry import Metrics


class StoreMetrics:
    """Keeps ``storage.observer.StoreObserver``.

    Args:
        metrics: Where the values are kept.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._seconds = metrics.histogram(COMMIT_SECONDS)
        self._operations = metrics.histogram(COMMIT_OPERATIONS)
        appended = metrics.counter(APPENDED)
        self._appended = {kind: appended.labels(kind.name.lower()) for kind in EventKind}

    def settled(self, writer: str, operations: int, seconds: float) -> None:
        """See ``StoreObserver.settled``."""
        self._seconds.labels(writer).observe(seconds)
        self._operations.labels(writer).observe(operations)

    def appended(self, kind: EventKind, count: int) -> None:
        """See ``StoreObserver.appended``."""
        self._appended[kind].inc(count)
