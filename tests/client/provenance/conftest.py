"""Identifiers of its own for each test, since all share one service."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowcept.db import DBAPI
from tests.client.conftest import Connect
from tests.support.server import service_in_process


@pytest.fixture
def new_id() -> Callable[[str], str]:
    """Makes identifiers that no other test uses."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def workflow_id(new_id: Callable[[str], str]) -> str:
    """A workflow execution that no other test uses."""
    return new_id("workflow")


@pytest.fixture
def fresh(tmp_path: Path, connect: Connect) -> Iterator[DBAPI]:
    """A client of a service of this test alone, whose log begins with sequence 1."""
    with service_in_process(tmp_path / "service") as running:
        yield connect(running.target)
