"""Whether the service lives and whether it is ready, for the standard gRPC health service and for HTTP probes.

Liveness and readiness are asked for by name. A service that drains, or whose database is away, is not ready: traffic
belongs elsewhere. It lives as long as a restart would not help: a full disk or an absent database needs no restart, a
writer's thread that is gone does.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Final

import structlog
from grpc_health.v1 import health, health_pb2

LIVENESS: Final = "liveness"
READINESS: Final = "readiness"

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_log = structlog.get_logger(__name__)


class Health:
    """The answers to all probes.

    Args:
        services: Names under which readiness is told too.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self.servicer = health.HealthServicer(experimental_non_blocking=True)
        self._ready_names = ("", READINESS, *services)
        self._lock = Lock()
        self._draining = False
        self._store_problem = ""
        self._dead = ""
        self._told: tuple[bool, bool] | None = None
        self._tell()

    @property
    def draining(self) -> bool:
        """Whether the service is about to end."""
        return self._draining

    @property
    def not_ready(self) -> str:
        """Why the service is not ready; empty when it is."""
        return self._dead or ("the service is shutting down" if self._draining else self._store_problem)

    @property
    def not_alive(self) -> str:
        """Why the service must be restarted; empty when it need not be."""
        return self._dead

    def drain(self) -> None:
        """The service is about to end: not ready any more."""
        with self._lock:
            self._draining = True
            self._tell()

    def store_is_back(self) -> None:
        """The store answers."""
        with self._lock:
            self._store_problem = ""
            self._tell()

    def store_is_away(self) -> None:
        """The store does not answer. Why, only the log and administrators are told: anybody may probe."""
        with self._lock:
            self._store_problem = "the store does not answer; the log has the details"
            self._tell()

    def needs_restart(self, problem: str) -> None:
        """Something is broken that does not mend by itself."""
        with self._lock:
            self._dead = problem
            self._tell()

    def _tell(self) -> None:
        told = (not self.not_ready, not self._dead)
        if told == self._told:
            return
        ready, alive = told
        if self._told is not None:
            tell = _log.info if ready else _log.warning
            tell("readiness changed", ready=ready, alive=alive, problem=self.not_ready)
        self._told = told
        for name in self._ready_names:
            self.servicer.set(name, _SERVING if ready else _NOT_SERVING)
        self.servicer.set(LIVENESS, _SERVING if alive else _NOT_SERVING)
