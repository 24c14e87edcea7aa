"""Publishing a batch whatever is in it: outages are reported once, and one bad message never holds up the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from flowcept.capture.publisher import Message, Publisher, PublisherFactory
from flowcept.errors import DeadlineError, FlowceptError, InvalidArgumentError, Reason, UnavailableError

_log = logging.getLogger(__name__)


class Outlet:
    """Hands batches to a publisher that it opens when the first one comes. Used by one thread at a time.

    Args:
        open_publisher: Makes the publisher.
        clock: Seconds that never run backwards.
    """

    def __init__(self, open_publisher: PublisherFactory, clock: Callable[[], float] = time.monotonic) -> None:
        self._open_publisher = open_publisher
        self._clock = clock
        self._publisher: Publisher | None = None
        self._was_reached = False
        self._away_since: float | None = None
        self._error: Exception | None = None

    def publish(self, messages: Sequence[Message], timeout: float) -> list[Message] | None:
        """Send a batch.

        Args:
            messages: The batch.
            timeout: Seconds after which to give up.

        Returns:
            The messages that the service will never take; None when it takes none now, and all are to be sent again.
        """
        try:
            if self._publisher is None:
                self._publisher = self._open_publisher()
            rejections = self._publisher.publish(messages, timeout=timeout)
        except FlowceptError as error:
            return self._failed(error, messages, timeout)
        except Exception as error:  # noqa: BLE001 - a publisher that breaks its contract must not lose messages
            self._unavailable(error)
            return None
        if self._away_since is not None:
            self._away_since = self._error = None
            _log.info("Captured messages are being published again")
        self._was_reached = True
        for rejection in rejections:
            _log.warning("A captured message was refused by the service: %s", rejection.reason)
        return [messages[rejection.index] for rejection in rejections]

    def _failed(self, error: FlowceptError, messages: Sequence[Message], timeout: float) -> list[Message] | None:
        if not isinstance(error, InvalidArgumentError) and error.reason not in (
            Reason.MESSAGE_TOO_LARGE,
            Reason.RECORD_TOO_LARGE,
        ):
            self._unavailable(error)
            return None
        # Sending the same batch again would fail for ever: find the message that spoils it.
        if len(messages) == 1:
            _log.warning("A captured message was refused by the service: %s", error)
            return list(messages)
        middle = len(messages) // 2
        first = self.publish(messages[:middle], timeout)
        if first is None:
            return None
        second = self.publish(messages[middle:], timeout)
        return None if second is None else first + second

    def _unavailable(self, error: Exception) -> None:
        self._error = error
        if self._away_since is None:
            self._away_since = self._clock()
            _log.warning("Captured messages cannot be published now and are kept: %s", error)

    def may_recover(self, patience: float) -> bool:
        """Whether the service, which has not taken the last batch, may do so soon.

        Args:
            patience: Seconds after which a service that is away is no longer expected back.
        """
        if self._away_since is None or self._clock() - self._away_since >= patience:
            return False
        if isinstance(self._error, UnavailableError) and self._error.reason is Reason.SERVICE_UNREACHABLE:
            return self._was_reached  # it may be restarting; else nobody is there, or the address is wrong
        return isinstance(self._error, UnavailableError | DeadlineError)  # others, wrong credentials say, stay

    def reconnect(self) -> None:
        """Connect anew for the next batch, instead of after the pause that follows failures."""
        if self._publisher is not None:
            self._publisher.reconnect()

    def close(self) -> None:
        """Let go of the publisher."""
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
