"""What tests of artifacts, cluster memory and the object store share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowcept import Flowcept


@pytest.fixture(autouse=True)
def configured(service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A program that knows where its service is, and whose local memory nobody else uses."""
    monkeypatch.setenv("FLOWCEPT_TARGET", service)
    monkeypatch.setattr("flowcept.compute.cluster_memory._local._SHARED_MEMORY", tmp_path)
    Flowcept.db.close()
    yield
    Flowcept.db.close()


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses."""
    return f"namespace-{uuid.uuid4()}"
