"""Probes, on every port that answers them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from flowcept_service.server.service import Service
from tests.support.conditions import PATIENCE
from tests.support.metrics import status_of
from tests.support.server import service_in_process

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LISTEN = {"http_listen": "127.0.0.1:0", "health_listen": "127.0.0.1:0", "probe_seconds": 3600}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with service_in_process(tmp_path / "data", observability=LISTEN) as service:
        yield service


def check(target: str, name: str) -> int:
    with grpc.insecure_channel(target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return int(stub.Check(health_pb2.HealthCheckRequest(service=name)).status)


def answers(service: Service) -> set[tuple[int, int, int, int]]:
    """Readiness and liveness by gRPC and by HTTP, as each port tells them."""
    pages = (status_of(service, "/readyz"), status_of(service, "/livez"))
    targets = (service.target, f"127.0.0.1:{service.observation.health_port}")
    return {(check(target, "readiness"), check(target, "liveness"), *pages) for target in targets}


def test_all_probes_agree_that_a_service_is_ready(service: Service) -> None:
    assert answers(service) == {(SERVING, SERVING, 200, 200)}


def test_all_probes_agree_that_a_draining_service_lives_and_is_not_ready(service: Service) -> None:
    service.observation.health.drain()
    assert answers(service) == {(NOT_SERVING, SERVING, 503, 200)}


def test_all_probes_agree_that_a_service_without_its_store_lives_and_is_not_ready(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.observation.health.store_is_away()
    assert answers(service) == {(NOT_SERVING, SERVING, 503, 200)}


def test_the_health_port_has_nothing_else(service: Service) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{service.observation.health_port}") as channel:
        call: Any = channel.unary_unary("/flowcept.v1.BlobStore/GetObject")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_whoever_watches_is_told_of_a_change(service: Service) -> None:
    with grpc.insecure_channel(service.target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watching = stub.Watch(health_pb2.HealthCheckRequest(service="readiness"), timeout=PATIENCE)
        assert next(watching).status == SERVING
        service.observation.health.drain()
        assert next(watching).status == NOT_SERVING
        watching.cancel()


def test_a_port_in_use_is_named_by_its_setting(service: Service, tmp_path: Path) -> None:
    http = service.observation.http
    assert http is not None
    taken = {"http_listen": f"127.0.0.1:{http.port}", "health_listen": f"127.0.0.1:{service.observation.health_port}"}
    for name, address in taken.items():
        with (
            pytest.raises(ConnectionError, match=address),
            service_in_process(tmp_path / name, observability={name: address}),
        ):
            pass
