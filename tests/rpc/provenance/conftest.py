"""A real service on a free port, in this process, over a real store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.server.service import Service
from tests.support.server import service_in_process


@contextmanager
def connected(service: Service) -> Iterator[ProvenanceStub]:
    with grpc.insecure_channel(service.target) as channel:
        yield ProvenanceStub(channel)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with service_in_process(tmp_path / "data", limits={"max_subscriptions": 8}) as service:
        yield service


@pytest.fixture
def stub(service: Service) -> Iterator[ProvenanceStub]:
    with connected(service) as stub:
        yield stub
