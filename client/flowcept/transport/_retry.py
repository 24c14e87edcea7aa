"""How long a transfer goes on when the connection does not."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from flowcept.config import RetrySettings
from flowcept.errors import (
    DeadlineError,
    FlowceptError,
    Reason,
    ResourceExhaustedError,
    UnavailableError,
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Time and chance, as the transfer loops see them; replaced in tests."""

    clock: Callable[[], float] = time.monotonic
    """Seconds that never run backwards."""

    sleep: Callable[[float], None] = time.sleep
    """Waits so many seconds."""

    chance: Callable[[], float] = random.random
    """A number from 0 to below 1."""


def is_transient(error: FlowceptError) -> bool:
    """Whether the same transfer may well succeed a moment later."""
    if isinstance(error, ResourceExhaustedError):
        # A share of the service's streams is free again when one of them ends; other quotas are not.
        return error.reason is Reason.TOO_MANY_UPLOADS or error.metadata.get("quota") == "downloads"
    return isinstance(error, UnavailableError | DeadlineError)


class Patience:
    """Waits between the attempts of one transfer, longer each time, and says when to give up.

    As long as the service was never reached, ``max_attempts`` counts, so that a wrong address fails soon. Once it was
    reached the transfer is worth more: it goes on until ``idle_timeout`` seconds have passed without a byte of
    progress. ``max_attempts=1`` switches all of it off.
    """

    def __init__(self, retry: RetrySettings, idle_timeout: float, timing: Timing) -> None:
        self._retry = retry
        self._idle_timeout = idle_timeout
        self._timing = timing
        self._reached = False
        self._failures = 0
        self._trouble_since: float | None = None

    def reached(self) -> None:
        """The service answered."""
        self._reached = True

    def progressed(self) -> None:
        """Bytes arrived: what went wrong before no longer counts."""
        self._reached = True
        self._failures = 0
        self._trouble_since = None

    def wait(self, error: FlowceptError) -> None:
        """Wait before the next attempt; raise ``error`` when there is to be none."""
        now = self._timing.clock()
        if self._trouble_since is None:
            self._trouble_since = now
        self._failures += 1
        if self._gives_up(now - self._trouble_since):
            raise error
        self._timing.sleep(self._delay())

    def _gives_up(self, elapsed: float) -> bool:
        if self._retry.max_attempts == 1:
            return True
        if self._reached:
            return elapsed >= self._idle_timeout
        return self._failures >= self._retry.max_attempts

    def _delay(self) -> float:
        # Jitter over the upper half: many clients that lose one server do not come back in step.
        exponent = min(self._failures - 1, 32)
        bound = min(self._retry.max_backoff, self._retry.initial_backoff * self._retry.multiplier**exponent)
        return bound * (0.5 + self._timing.chance() / 2)
