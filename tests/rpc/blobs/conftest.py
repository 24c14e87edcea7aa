"""A real service on a real store, behind a real channel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from flowcept_service.server.service import Service
from tests.support.blobs import Blobs
from tests.support.server import service_in_process


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with service_in_process(tmp_path / "data") as service:
        yield service


@pytest.fixture
def blobs(service: Service) -> Iterator[Blobs]:
    with grpc.insecure_channel(service.target) as channel:
        yield Blobs(channel)
