"""How far a consumer has come, and telling the service."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flowcept.errors import FlowceptError
from flowcept.transport import Connection, acknowledge

_log = logging.getLogger(__name__)


class ConsumerProgress:
    """The last sequence that was handled; acknowledged now and then if the consumer is durable.

    Args:
        connection: The consumer's connection.
        name: Name of the durable consumer; None when it is not durable.
        position: Where it stands.
        interval: Seconds between two acknowledgements.
        clock: Seconds that never run backwards.
    """

    def __init__(
        self,
        connection: Connection,
        name: str | None,
        position: int,
        interval: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self._name = name
        self._interval = interval
        self._clock = clock
        self._changed = threading.Condition()
        self._position = position
        self._acknowledged = position
        self._acknowledged_at = clock()
        self._finished = False

    def handled(self, sequence: int) -> None:
        """The message of this sequence is handled, and all before it."""
        self._position = sequence
        if self._name is not None and self._clock() - self._acknowledged_at >= self._interval:
            self._acknowledge(self._name)

    def batch_done(self, position: int) -> None:
        """Everything up to a position is handled or was not wanted."""
        with self._changed:
            self._position = position
            self._changed.notify_all()
        if self._name is not None and self._clock() - self._acknowledged_at >= self._interval:
            self._acknowledge(self._name)

    def finish(self) -> None:
        """The consumer stops: acknowledge what it has handled. Never raises."""
        if self._name is not None:
            self._acknowledge(self._name)
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def wait_for(self, sequence: int, timeout: float | None) -> bool:
        """Wait until everything up to a sequence is handled, or the consumer has stopped; whether it is."""
        with self._changed:
            self._changed.wait_for(lambda: self._finished or self._position >= sequence, timeout)
            return self._position >= sequence

    def _acknowledge(self, name: str) -> None:
        position = self._position
        self._acknowledged_at = self._clock()
        if position <= self._acknowledged:
            return
        try:
            acknowledge(self.connection, name, position)
        except FlowceptError as error:
            # The next one says it again; if there is none, the messages come again, which is what was promised.
            _log.warning("Sequence %d cannot be acknowledged now as consumer %r: %s", position, name, error)
        else:
            self._acknowledged = position
