"""What a running service says of itself in a file, for the command ``status`` and for probes on its machine."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import structlog

from flowcept_service.replication.follower import Follower
from flowcept_service.replication.status import ReplicaStatus

STATUS_FILE: Final = "status.json"
INTERVAL_SECONDS: Final = 1.0

_log = structlog.get_logger(__name__)


class StatusReporter:
    """Writes the state of a service to a file, every second and at the end.

    Args:
        file: Where to.
        fixed: What does not change: address, store, process id.
        follower: The replica, if there is one.
        now: The clock.
    """

    def __init__(
        self, file: Path, fixed: Mapping[str, Any], follower: Follower | None, now: Callable[[], datetime]
    ) -> None:
        self._file = file
        self._fixed = fixed
        self._follower = follower
        self._now = now
        self._stopped = Event()
        self._failed = False
        self._thread = Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        """Begin; the first report is written before this returns."""
        self._report()
        self._thread.start()

    def stop(self) -> None:
        """End, and remove the file."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(INTERVAL_SECONDS)
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("the status file cannot be removed", error=str(error))

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_SECONDS):
            self._report()

    def _report(self) -> None:
        replica = None if self._follower is None else replica_fields(self._follower.status())
        content = {**self._fixed, "updated_at": self._now().isoformat(), "replica": replica}
        draft = self._file.with_name(f"{self._file.name}.{os.getpid()}.tmp")
        try:
            draft.write_text(json.dumps(content) + "\n", encoding="utf-8")
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
