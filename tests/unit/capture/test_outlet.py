"""What is to be expected of a service that does not take messages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flowcept.capture.outlet import Outlet
from flowcept.capture.publisher import Message, Rejection
from flowcept.errors import DeadlineError, FlowceptError, Reason, UnauthenticatedError, UnavailableError
from tests.support.clock import Clock
from tests.support.publishing import RecordingPublisher

PATIENCE = 10.0
BATCH: list[Message] = [{"message_id": "m"}]


class Failing(RecordingPublisher):
    """Fails as it is told."""

    error: Exception | None = None

    def publish(self, messages: Sequence[Message], *, timeout: float) -> Sequence[Rejection]:
        if self.error is not None:
            raise self.error
        return super().publish(messages, timeout=timeout)


@pytest.fixture
def failing() -> Failing:
    return Failing()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outlet(failing: Failing, clock: Clock) -> Outlet:
    return Outlet(failing.open, clock)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UnavailableError("refused"), False),
        (UnavailableError("shuts down", reason=Reason.DRAINING), True),
        (UnavailableError("its database is away", reason=Reason.STORAGE_UNAVAILABLE), True),
        (DeadlineError("no answer"), True),
        (UnauthenticatedError("no token"), False),
        (RuntimeError("a defect"), False),
    ],
)
def test_only_one_that_is_there_may_answer_later(
    outlet: Outlet, failing: Failing, error: FlowceptError, expected: bool
) -> None:
    failing.error = error

    assert outlet.publish(BATCH, 1.0) is None
    assert outlet.may_recover(PATIENCE) is expected


def test_one_that_was_there_may_come_back(outlet: Outlet, failing: Failing) -> None:
    outlet.publish(BATCH, 1.0)
    failing.error = UnavailableError("refused")

    assert outlet.publish(BATCH, 1.0) is None
    assert outlet.may_recover(PATIENCE)


def test_one_that_has_been_away_for_long_is_not_expected_back(outlet: Outlet, failing: Failing, clock: Clock) -> None:
    outlet.publish(BATCH, 1.0)
    failing.error = UnavailableError("refused")
    outlet.publish(BATCH, 1.0)
    clock.now += PATIENCE
    outlet.publish(BATCH, 1.0)

    assert not outlet.may_recover(PATIENCE)
