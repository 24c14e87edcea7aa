"""What tests of artifacts, cluster memory and the object store share."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowcept import Flowcept
from flowcept.compute.artifacts import Artifact, new_artifact

WhenLookedUp = Callable[[str, Callable[[], object]], None]


@pytest.fixture(autouse=True)
def own_memory(configured: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that knows where its service is, and whose local memory nobody else uses."""
    monkeypatch.setattr("flowcept.compute.cluster_memory._local._SHARED_MEMORY", tmp_path)


@pytest.fixture
def when_looked_up(monkeypatch: pytest.MonkeyPatch) -> WhenLookedUp:
    """Has something happen each time when a program knows which version of an object it is going to read."""

    def make(object_id: str, happen: Callable[[], object]) -> None:
        look_up = Flowcept.db.get_blob_object

        def look_up_first(wanted: str, version: int | None = None) -> Any:
            found = look_up(wanted, version)
            if wanted == object_id:
                happen()
            return found

        monkeypatch.setattr(Flowcept.db, "get_blob_object", look_up_first)

    return make


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses."""
    return f"namespace-{uuid.uuid4()}"


@pytest.fixture
def artifact(namespace: str) -> Artifact:
    """A new one."""
    return new_artifact("report", namespace)


def names(artifact: Artifact) -> list[str]:
    """Those of its files."""
    return [file.name for file in artifact.list_files()]
