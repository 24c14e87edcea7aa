"""The thread that looks at the store now and then, for everybody who wants to know how it is.

Probes, metrics and pages read what it saw last: however many of them ask, the store is asked once in an interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from flowcept.errors import FlowceptError
from flowcept_service.domain.store_state import StoreState
from flowcept_service.periodic import Periodic
from flowcept_service.server.health import Health
from flowcept_service.storage.contract import Storage

_AWAY_SECONDS: Final = 1.0
"""While the store is away, it is asked this often: who waits for it wants to know when it is back."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What was seen last."""

    state: StoreState | None
    """None as long as the store never answered."""
    problem: str
    """Why it did not answer this time; empty when it did."""
    seconds: float
    """How long the look took."""


class StoreProbe:
    """Looks at a store in intervals and tells ``Health`` what that means.

    Args:
        storage: The store.
        health: Told whether the store is away, and whether its writers live.
        interval: Seconds between two looks.
        clock: Monotonic seconds.
    """

    def __init__(self, storage: Storage, health: Health, interval: float, clock: Callable[[], float]) -> None:
        self._storage = storage
        self._health = health
        self._interval = interval
        self._clock = clock
        self._report = StoreReport(None, "", 0.0)
        self._looks = Periodic("store-probe", self.look, self._pause)

    @property
    def latest(self) -> StoreReport:
        """What was seen last."""
        return self._report

    def start(self) -> None:
        """Begin, with a first look before this returns."""
        self._looks.start(at_once=True)

    def stop(self) -> None:
        """End, after a look that is under way."""
        self._looks.stop()

    def look(self) -> None:
        """Look at the store now. Raises only what no store should raise, which says nothing of the store."""
        dead = [writer.name for writer in self._storage.writers() if not writer.alive]
        if dead:
            self._health.needs_restart(f"the thread that writes to {', '.join(dead)} is gone; restart the service")
        started = self._clock()
        try:
            state = self._storage.state()
        except FlowceptError as error:
            if not self._report.problem:
                _log.warning("the store does not answer", reason=error.reason, error=error.message)
            self._report = StoreReport(self._report.state, error.message, self._clock() - started)
            self._health.store_is_away()
        else:
            self._report = StoreReport(state, "", self._clock() - started)
            self._health.store_is_back()

    def _pause(self) -> float:
        return min(self._interval, _AWAY_SECONDS) if self._report.problem else self._interval
