"""The thread that keeps a second store the copy of the first, whatever happens to either."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Lock, Thread
from typing import Final

import structlog

from flowcept.errors import FlowceptError, InvalidArgumentError, PreconditionError
from flowcept_service.domain.events import EventReader
from flowcept_service.domain.retention import Retention
from flowcept_service.replication.payloads import InterruptedCopyError
from flowcept_service.replication.progress import Meter
from flowcept_service.replication.replication import Replication
from flowcept_service.replication.status import ReplicaPhase, ReplicaStatus
from flowcept_service.storage.replica import ReplicableStorage

IDLE_SECONDS: Final = 0.5
"""How long to wait for events before looking for consumers that have moved."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FollowerSettings:
    """How a follower behaves."""

    retention: Retention
    """What the replica keeps; as its primary."""
    sweep_seconds: float = 60.0
    """Time between two sweeps of the replica."""
    first_pause: float = 0.1
    """Seconds before the first repetition after a failure; doubled each time."""
    longest_pause: float = 15.0
    """Bound on that."""
    stop_seconds: float = 5.0
    """How long ``stop`` waits for what is under way, before it leaves a replica that hangs alone."""


class Follower:
    """Follows a primary with a replica.

    The replica is opened, filled and swept in a thread of its own: neither its failures nor its slowness reach those
    who use the primary.

    Args:
        source: The primary.
        open_target: Opens the replica; called until it succeeds.
        reader: Reads events.
        settings: Pauses and retention.
        clock: The time, aware.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self,
        source: ReplicableStorage,
        open_target: Callable[[], ReplicableStorage],
        *,
        reader: EventReader,
        settings: FollowerSettings,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._source = source
        self._open_target = open_target
        self._reader = reader
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._stopping = Event()
        self._lock = Lock()
        self._phase = ReplicaPhase.CONNECTING
        self._error = ""
        self._level_at = monotonic()
        self._swept_at = monotonic()
        self._behind: tuple[int, float] | None = None
        self._meter = Meter()
        self._target: ReplicableStorage | None = None
        self._replication: Replication | None = None
        self._thread = Thread(target=self._run, name="replica-follower", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> bool:
        """End after the batch under way, and close the replica; whether that was possible in time."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._settings.stop_seconds)
        if self._thread.is_alive():
            _log.warning("the replica does not answer; it is left as it is, and goes on the next time")
            return False
        return True

    def status(self, *, primary_answers: bool = True) -> ReplicaStatus:
        """How the replica stands now.

        Args:
            primary_answers: Whether the primary does, as far as known: else it is not asked, which could take seconds.
                The replica never is.
        """
        progress = self._meter.read()
        last: int | None = None
        if primary_answers:
            # If it has just gone away, nobody knows.
            with suppress(FlowceptError):
                last = self._source.events.bounds().last
        with self._lock:
            phase, error, level_at = self._phase, self._error, self._level_at
        level = phase is ReplicaPhase.FOLLOWING and last == progress.position
        return ReplicaStatus(
            phase=phase,
            position=progress.position,
            last_sequence=last,
            behind_seconds=0.0 if level else self._monotonic() - level_at,
            error=error,
            rows=progress.changed_rows,
            payload_bytes=progress.payload_bytes,
            damaged_payloads=len(progress.damaged),
        )

    def _run(self) -> None:
        pause = self._settings.first_pause
        try:
            while not self._stopping.is_set():
                try:
                    self._work()
                    pause = self._settings.first_pause
                except InterruptedCopyError:
                    return
                except FlowceptError as error:
                    self._failed(error)
                    self._forget()
                    self._stopping.wait(pause)
                    pause = min(2 * pause, self._settings.longest_pause)
                except Exception:  # noqa: BLE001 - a defect must not end the thread; the log has it, and it is tried again
                    _log.exception("the replica cannot follow, for a reason that is not foreseen")
                    self._note(ReplicaPhase.FAILING, "a defect; the log has the details")
                    self._forget()
                    self._stopping.wait(self._settings.longest_pause)
        finally:
            self._close()

    def _work(self) -> None:
        """Connect, or do a step; rest when there is nothing to do."""
        replication = self._replication or self._connect()
        if self._behind is None:
            self._behind = (self._source.events.bounds().last, self._monotonic())
        worked = replication.step()
        copying = replication.state.copying is not None
        self._note(ReplicaPhase.COPYING if copying else ReplicaPhase.FOLLOWING, "")
        if not copying and self._monotonic() - self._swept_at >= self._settings.sweep_seconds and self._target:
            # Here, not in the janitor's thread: a replica that hangs must not keep the primary from being swept.
            self._swept_at = self._monotonic()
            self._target.sweep(self._settings.retention, self._clock())
        if not copying and replication.state.position >= self._behind[0]:
            with self._lock:
                self._level_at = self._behind[1]
            self._behind = None
        if not worked:
            self._wait_for_events(replication.state.position)

    def _connect(self) -> Replication:
        if self._target is None:
            self._target = self._open_target()
        self._replication = Replication(
            self._source, self._target, self._reader, self._clock, self._stopping.is_set, meter=self._meter
        )
        _log.info("the replica goes on", position=self._replication.state.position)
        return self._replication

    def _wait_for_events(self, position: int) -> None:
        deadline = self._monotonic() + IDLE_SECONDS
        while not self._stopping.is_set() and self._monotonic() < deadline:
            if self._source.events.wait(position, IDLE_SECONDS / 5):
                return

    def _failed(self, error: FlowceptError) -> None:
        refused = isinstance(error, PreconditionError | InvalidArgumentError)
        phase = ReplicaPhase.REFUSED if refused else ReplicaPhase.FAILING
        if (phase, error.message) != (self._phase, self._error):
            _log.warning("the replica does not follow", phase=phase.value, reason=error.reason, error=error.message)
        self._note(phase, error.message)

    def _note(self, phase: ReplicaPhase, error: str) -> None:
        with self._lock:
            if phase is ReplicaPhase.FOLLOWING and self._phase is not phase:
                _log.info("the replica follows")
            self._phase, self._error = phase, error

    def _forget(self) -> None:
        """Ask the replica anew how far it is: what failed may have happened."""
        if self._replication is not None:
            self._replication.close()
            self._replication = None

    def _close(self) -> None:
        self._forget()
        if self._target is not None:
            self._target.close()
