"""Whom a store tells what it does, besides its callers: for metrics."""

from __future__ import annotations

from typing import Protocol

from flowcept_service.domain.events import EventKind


class StoreObserver(Protocol):
    """Told in the threads that write, so its methods return at once and raise nothing."""

    def settled(self, writer: str, operations: int, seconds: float) -> None:
        """A writer has settled a group of operations, mostly by one commit."""
        ...

    def appended(self, kind: EventKind, count: int) -> None:
        """Events became durable."""
        ...


class Unobserved:
    """Takes no notice."""

    def settled(self, writer: str, operations: int, seconds: float) -> None:
        """See ``StoreObserver.settled``."""

    def appended(self, kind: EventKind, count: int) -> None:
        """See ``StoreObserver.appended``."""
