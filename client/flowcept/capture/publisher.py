"""The seam between capture and the network: capture hands batches to a publisher and knows no more of the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Message = Mapping[str, object]
"""A message as plain data: ``type``, ``message_id`` and the fields of the record; times in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One message of a batch that the service will never take."""

    index: int
    """Position in the batch, from 0."""

    reason: str
    """Why, for a person."""


class Publisher(Protocol):
    """Sends batches of messages. Used by one thread at a time."""

    def publish(self, messages: Sequence[Message], *, timeout: float) -> Sequence[Rejection]:
        """Send one batch, once: repeating is the caller's business.

        Args:
            messages: Each has its own ``message_id``, so that a batch whose answer was lost can be sent again.
            timeout: Seconds after which to give up.

        Returns:
            The messages that were refused for good; all others are durable.

        Raises:
            FlowceptError: Nothing may be assumed stored. Whatever the class, the batch is kept and sent again later.
        """

    def reconnect(self) -> None:
        """Connect anew when the next batch comes: one that follows a failure may be refused for a while, untried."""

    def close(self) -> None:
        """Let go of the connection."""


PublisherFactory = Callable[[], Publisher]
"""Makes the publisher of a run, in the process that will use it: connections do not survive a fork."""
