"""Publishing to the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowcept.capture.publisher import Message, PublisherFactory, Rejection
from flowcept.config import ClientSettings
from flowcept.transport import Connection, publish


class ServicePublisher:
    """A :class:`~flowcept.capture.publisher.Publisher` over a connection of its own.

    Args:
        settings: Where the service is and how to reach it.
    """

    def __init__(self, settings: ClientSettings) -> None:
        # One attempt at a time: the buffer repeats, with pauses of its own.
        self._connection = Connection(replace(settings, retry=replace(settings.retry, max_attempts=1)))

    def publish(self, messages: Sequence[Message], *, timeout: float) -> list[Rejection]:
        """Send one batch, once; see :class:`~flowcept.capture.publisher.Publisher`."""
        published = publish(self._connection, messages, timeout=timeout)
        return [Rejection(rejected.index, rejected.message) for rejected in published.rejections]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def service_publisher(settings: ClientSettings) -> PublisherFactory:
    """What opens a publisher to the service that ``settings`` name."""
    return lambda: ServicePublisher(settings)
