"""A service that knows who calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from flowcept_service.domain.principals import Scope
from flowcept_service.server.service import Service
from tests.support.security import entry
from tests.support.server import service_in_process


@pytest.fixture(scope="module")
def tokens_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One principal for each scope, which has its name; and what tests add."""
    file = tmp_path_factory.mktemp("secret") / "tokens.toml"
    file.write_text("".join(entry(scope, scopes=[scope]) for scope in Scope))
    return file


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, tokens_file: Path) -> Iterator[Service]:
    security = {"auth_tokens_file": tokens_file}
    with service_in_process(tmp_path_factory.mktemp("data"), security=security) as service:
        yield service


@pytest.fixture(scope="module")
def channel(service: Service) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.target) as channel:
        yield channel
