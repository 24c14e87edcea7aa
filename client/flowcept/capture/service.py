"""Publishing to the service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowcept.capture.publisher import Message, PublisherFactory, Rejection
from flowcept.config import ClientSettings
from flowcept.transport import Connection, open_separate_channel, publish


class ServicePublisher:
    """A :class:`~flowcept.capture.publisher.Publisher` over a connection of its own.

    Args:
        settings: Where the service is and how to reach it.
        repeats: Repeat calls as the settings say. The buffer of a run does not want that: it has pauses of its own.
    """

    def __init__(self, settings: ClientSettings, *, repeats: bool = False) -> None:
        once = replace(settings, retry=replace(settings.retry, max_attempts=1))
        self._settings = settings if repeats else once
        self._connection = Connection(self._settings)

    def publish(self, messages: Sequence[Message], *, timeout: float) -> list[Rejection]:
        """Send one batch, once; see :class:`~flowcept.capture.publisher.Publisher`."""
        published = publish(self._connection, messages, timeout=timeout)
        return [Rejection(rejected.index, rejected.message) for rejected in published.rejections]

    def reconnect(self) -> None:
        """Connect anew when the next batch comes; see :class:`~flowcept.capture.publisher.Publisher`."""
        self._connection.close()
        self._connection = Connection(self._settings, channel_factory=open_separate_channel)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def service_publisher(settings: ClientSettings) -> PublisherFactory:
    """What opens a publisher to the service that ``settings`` name."""
    return lambda: ServicePublisher(settings)
