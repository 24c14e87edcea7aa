"""The thread that removes what has expired."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from flowcept.errors import FlowceptError
from flowcept_service.domain.retention import Retention, SweepResult
from flowcept_service.periodic import Periodic
from flowcept_service.storage.contract import Storage

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class JanitorReport:
    """What a janitor has done since it was started."""

    runs: int = 0
    failures: int = 0
    removed: SweepResult = field(default_factory=SweepResult)
    """What all sweeps together have removed."""
    succeeded_at: datetime | None = None
    """When a sweep succeeded the last time."""
    problem: str = ""
    """Why the last sweep failed; empty when it did not."""


class Janitor:
    """Sweeps a store at intervals, until it is stopped.

    Args:
        storage: What is swept.
        retention: How long things are kept.
        interval: Seconds between two sweeps.
        now: The clock.
    """

    def __init__(self, storage: Storage, retention: Retention, interval: float, now: Callable[[], datetime]) -> None:
        self._storage = storage
        self._retention = retention
        self._now = now
        self._report = JanitorReport()
        self._sweeps = Periodic("janitor", self.sweep, lambda: interval)

    @property
    def report(self) -> JanitorReport:
        """What was done so far."""
        return self._report

    def start(self) -> None:
        """Begin; the first sweep comes after one interval."""
        self._sweeps.start()

    def stop(self) -> None:
        """End, after the sweep that is under way."""
        self._sweeps.stop()

    def sweep(self) -> None:
        """Sweep once. A failure that is foreseen is logged; any other is raised. Both are reported."""
        try:
            result = self._storage.sweep(self._retention, self._now())
        except FlowceptError as error:
            _log.warning("the sweep failed", reason=error.reason, error=error.message)
            self._failed(error.message)
        except Exception:
            self._failed("a defect; the log has the details")
            raise
        else:
            known = self._report
            self._report = JanitorReport(
                known.runs + 1, known.failures, _sum(known.removed, result), succeeded_at=self._now()
            )
            removed = {name: count for name, count in dataclasses.asdict(result).items() if count}
            if removed:
                _log.info("swept", **removed)

    def _failed(self, problem: str) -> None:
        known = self._report
        self._report = dataclasses.replace(known, runs=known.runs + 1, failures=known.failures + 1, problem=problem)


def _sum(one: SweepResult, other: SweepResult) -> SweepResult:
    counts = dataclasses.asdict(other)
    return SweepResult(**{name: count + counts[name] for name, count in dataclasses.asdict(one).items()})
