"""What a running service says of itself: in a file for the command ``status``, and on the status page."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import structlog

from flowcept_service.domain.store_state import StoreState
from flowcept_service.periodic import Periodic
from flowcept_service.replication.follower import Follower
from flowcept_service.replication.status import ReplicaStatus
from flowcept_service.rpc.draining import Admission
from flowcept_service.server.health import Health
from flowcept_service.server.janitor import Janitor
from flowcept_service.server.last_events import LastEvents
from flowcept_service.server.probing import StoreProbe

STATUS_FILE: Final = "status.json"
INTERVAL_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


class StatusBoard:
    """Gathers what the parts of a service say of themselves.

    Args:
        address: For clients on this machine.
        store: The setting of that name.
        health: Whether it is ready.
        probe: How the store is.
        admission: Which calls are under way.
        janitor: What was swept.
        follower: The replica, if there is one.
        events: The end of the log.
        now: The clock.
    """

    def __init__(
        self,
        *,
        address: str,
        store: str,
        health: Health,
        probe: StoreProbe,
        admission: Admission,
        janitor: Janitor,
        follower: Follower | None,
        events: LastEvents,
        now: Callable[[], datetime],
    ) -> None:
        self._fixed = {
            "version": version("flowcept-service"),
            "address": address,
            "pid": os.getpid(),
            "store": store,
            "started_at": now().isoformat(timespec="seconds"),
        }
        self._health = health
        self._probe = probe
        self._admission = admission
        self._janitor = janitor
        self._follower = follower
        self._events = events
        self._now = now

    def snapshot(self) -> dict[str, Any]:
        """Everything, in the types of JSON."""
        report = self._probe.latest
        return {
            **self._fixed,
            "updated_at": self._now().isoformat(),
            "ready": not self._health.not_ready,
            "draining": self._health.draining,
            "problem": self._health.not_ready,
            "store_problem": report.problem,
            "calls": dict(self._admission.active_by_method()),
            **_store_fields(report.state),
            "janitor": _janitor_fields(self._janitor),
            "replica": None
            if self._follower is None
            else replica_fields(self._follower.status(primary_answers=not report.problem)),
            "last_events": [
                {**dataclasses.asdict(event), "commit_time": event.commit_time.isoformat(timespec="milliseconds")}
                for event in self._events.look(answers=not report.problem)
            ],
        }


class StatusReporter:
    """Writes the state of a service to a file, every second and at the end.

    Args:
        file: Where to.
        snapshot: Gathers what is written.
    """

    def __init__(self, file: Path, snapshot: Callable[[], Mapping[str, Any]]) -> None:
        self._file = file
        self._snapshot = snapshot
        self._failed = False
        self._reports = Periodic("status", self._report, lambda: INTERVAL_SECONDS)

    def start(self) -> None:
        """Begin; the first report is written before this returns."""
        self._reports.start(at_once=True)

    def stop(self) -> None:
        """End, and remove the file."""
        self._reports.stop(INTERVAL_SECONDS)
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("the status file cannot be removed", error=str(error))

    def _report(self) -> None:
        draft = self._file.with_name(f"{self._file.name}.{os.getpid()}.tmp")
        try:
            draft.write_text(json.dumps(self._snapshot()) + "\n", encoding="utf-8")
            draft.replace(self._file)
        except OSError as error:
            # On a full disk, say. The service goes on, and the file shows its age.
            if not self._failed:
                _log.warning("the status file cannot be written", file=str(self._file), error=str(error))
            self._failed = True
        else:
            self._failed = False


def replica_fields(status: ReplicaStatus) -> dict[str, Any]:
    """What is said of a replica."""
    return {**dataclasses.asdict(status), "phase": status.phase.value, "lag_events": status.lag_events}


def _store_fields(state: StoreState | None) -> dict[str, Any]:
    if state is None:
        return {"log": None, "databases": [], "free_disk_bytes": None, "staged": None, "consumers": None}
    slowest = [
        {"consumer": one.consumer, "position": one.sequence, "lag_events": max(0, state.log.last - one.sequence)}
        for one in state.slowest_consumers
    ]
    return {
        "log": dataclasses.asdict(state.log),
        "databases": [dataclasses.asdict(database) for database in state.databases],
        "free_disk_bytes": state.free_disk_bytes,
        "staged": {"uploads": state.staged_uploads, "bytes": state.staged_bytes},
        "consumers": {"count": state.consumers, "slowest": slowest},
    }


def _janitor_fields(janitor: Janitor) -> dict[str, Any]:
    report = dataclasses.asdict(janitor.report)
    succeeded_at: datetime | None = report["succeeded_at"]
    return {**report, "succeeded_at": None if succeeded_at is None else succeeded_at.isoformat(timespec="seconds")}
