"""A publisher that keeps what it is given, and can be away, slow or choosy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from flowcept.capture.publisher import Message, Rejection
from flowcept.errors import UnavailableError
from tests.support.conditions import PATIENCE


class RecordingPublisher:
    """Takes batches as the service would: a repeated ``message_id`` is acknowledged and not stored again."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.attempts = 0
        self.closed = False
        self.reconnections = 0
        self.is_away = False
        self.behave: Callable[[Sequence[Message]], Sequence[Rejection]] = lambda messages: []
        self.arrived = threading.Condition()

    def open(self) -> RecordingPublisher:
        """What a publisher factory does."""
        return self

    def publish(self, messages: Sequence[Message], *, timeout: float) -> Sequence[Rejection]:
        """Store a batch."""
        with self.arrived:
            self.attempts += 1
            self.arrived.notify_all()
            if self.is_away:
                raise UnavailableError("the service is away")
        rejections = self.behave(messages)
        refused = {rejection.index for rejection in rejections}
        with self.arrived:
            known = {message["message_id"] for message in self.messages}
            self.batches.append(len(messages))
            self.messages += [
                dict(message)
                for index, message in enumerate(messages)
                if index not in refused and message["message_id"] not in known
            ]
            self.arrived.notify_all()
        return rejections

    def reconnect(self) -> None:
        """Counted."""
        self.reconnections += 1

    def close(self) -> None:
        """Nothing to let go of."""
        self.closed = True

    def wait_for(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until a condition holds; it is looked at after each call."""
        with self.arrived:
            assert self.arrived.wait_for(condition, seconds), f"not within {seconds:g} s"
