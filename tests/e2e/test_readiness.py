"""A service on a database that goes away and comes back: what probes, metrics and pages say meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from flowcept_service.server.service import Service
from flowcept_service.storage.mongodb import _state
from tests.support.conditions import PATIENCE, eventually
from tests.support.metrics import fetch, scrape, status_of
from tests.support.mongod import Mongod
from tests.support.server import service_in_process

LISTEN = {"http_listen": "127.0.0.1:0", "health_listen": "127.0.0.1:0", "probe_seconds": 0.2}
PAGES = ("/metrics", "/statusz") * 5


@pytest.fixture
def mongod() -> Iterator[Mongod]:
    with Mongod() as mongod:
        yield mongod


def is_serving(service: Service, name: str) -> bool:
    with grpc.insecure_channel(f"127.0.0.1:{service.observation.health_port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_readiness_follows_the_database_while_liveness_stays(tmp_path: Path, mongod: Mongod) -> None:
    given = {"store": "mongodb", "mongodb_uri": mongod.uri, "observability": LISTEN}
    with service_in_process(tmp_path / "data", **given) as service:
        assert is_serving(service, "readiness")
        assert status_of(service, "/readyz") == 200

        mongod.kill()
        eventually(lambda: not is_serving(service, "readiness"))
        assert is_serving(service, "liveness")
        assert (status_of(service, "/readyz"), status_of(service, "/livez")) == (503, 200)
        assert scrape(service).value("flowcept_store_up") == 0
        started = time.monotonic()
        for path in PAGES:
            assert fetch(service, path)
        # No page asks the database: each would wait for it for seconds.
        assert time.monotonic() - started < len(PAGES) * _state._SECONDS / 2

        mongod.restart()
        eventually(lambda: is_serving(service, "readiness"))
        assert scrape(service).value("flowcept_store_up") == 1
