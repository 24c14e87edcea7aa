from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from flowcept.config import RetrySettings
from flowcept.errors import (
    DeadlineError,
    FlowceptError,
    NotFoundError,
    Reason,
    ResourceExhaustedError,
    UnavailableError,
)
from flowcept.transport import Timing
from flowcept.transport._retry import Patience, is_transient

AWAY = UnavailableError("away")


@dataclass
class FakeTime:
    """Time that passes only when somebody sleeps."""

    now: float = 100.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def timing(self, chance: float = 1.0) -> Timing:
        return Timing(clock=lambda: self.now, sleep=self.sleep, chance=lambda: chance)


def patience(time: FakeTime, *, chance: float = 1.0, max_attempts: int = 3) -> Patience:
    retry = RetrySettings(max_attempts=max_attempts, initial_backoff=1.0, max_backoff=4.0)
    return Patience(retry, 60.0, time.timing(chance))


def wait_for_ever(waiting: Patience) -> None:
    while True:
        waiting.wait(AWAY)


def test_waits_grow_up_to_the_bound() -> None:
    time = FakeTime()
    waiting = patience(time)
    waiting.reached()
    for _ in range(5):
        waiting.wait(AWAY)
    assert time.waits == [1.0, 2.0, 4.0, 4.0, 4.0]


def test_jitter_takes_up_to_half_of_a_wait() -> None:
    time = FakeTime()
    patience(time, chance=0.0).wait(AWAY)
    assert time.waits == [0.5]


def test_a_service_that_was_never_reached_is_given_up_after_max_attempts() -> None:
    waiting = patience(FakeTime())
    waiting.wait(AWAY)
    waiting.wait(AWAY)
    with pytest.raises(UnavailableError, match="away"):
        waiting.wait(AWAY)


def test_a_transfer_that_had_begun_goes_on_until_the_idle_timeout() -> None:
    time = FakeTime()
    waiting = patience(time)
    waiting.progressed()
    with pytest.raises(UnavailableError):
        wait_for_ever(waiting)
    assert 60 <= time.now - 100 <= 64


def test_progress_resets_the_waits_and_the_idle_timeout() -> None:
    time = FakeTime()
    waiting = patience(time)
    for _ in range(50):
        waiting.progressed()
        waiting.wait(AWAY)
        waiting.wait(AWAY)
    assert time.waits == [1.0, 2.0] * 50


def test_the_idle_timeout_begins_with_the_trouble_not_with_the_last_byte() -> None:
    time = FakeTime()
    waiting = patience(time)
    waiting.progressed()
    time.now += 60  # a stream that hung so long before it was broken off
    waiting.wait(AWAY)
    assert time.waits == [1.0]


def test_one_attempt_means_no_repetition() -> None:
    waiting = patience(FakeTime(), max_attempts=1)
    waiting.progressed()
    with pytest.raises(UnavailableError):
        waiting.wait(AWAY)


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (UnavailableError("x"), True),
        (UnavailableError("x", reason=Reason.DRAINING), True),
        (DeadlineError("x"), True),
        (ResourceExhaustedError("x", reason=Reason.TOO_MANY_UPLOADS), True),
        (ResourceExhaustedError("x", reason=Reason.QUOTA_EXCEEDED, quota="downloads"), True),
        (ResourceExhaustedError("x", reason=Reason.QUOTA_EXCEEDED, quota="staged_bytes"), False),
        (ResourceExhaustedError("x", reason=Reason.STORAGE_FULL), False),
        (NotFoundError("x"), False),
    ],
)
def test_only_what_may_pass_by_itself_is_transient(error: FlowceptError, transient: bool) -> None:
    assert is_transient(error) is transient
