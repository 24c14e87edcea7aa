"""Runs that publish to a list, in a directory of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowcept.capture.controller import Flowcept
from flowcept.config import ClientSettings
from tests.support.publishing import RecordingPublisher

Start = Callable[..., Flowcept]


@pytest.fixture
def publisher() -> RecordingPublisher:
    """Where messages go."""
    return RecordingPublisher()


@pytest.fixture
def settings(tmp_path: Path) -> ClientSettings:
    """Settings that touch only the test's directory."""
    return make_settings(tmp_path)


def make_settings(directory: Path, **groups: Any) -> ClientSettings:
    given: dict[str, Any] = {
        "capture": {"flush_interval": 0.02, "spill_directory": directory / "unsent", "enrich_messages": False},
        "buffer_file": {"path": directory / "buffer.jsonl"},
    }
    merged = {name: {**given.get(name, {}), **groups.get(name, {})} for name in given.keys() | groups.keys()}
    return ClientSettings.load(environ={}, settings_path=None, **merged)


@pytest.fixture
def run(publisher: RecordingPublisher, settings: ClientSettings) -> Iterator[Flowcept]:
    """A run that has started."""
    with Flowcept(workflow_id="w", campaign_id="c", settings=settings, publisher=publisher.open) as started:
        yield started


@pytest.fixture
def captured(run: Flowcept, publisher: RecordingPublisher) -> Callable[[], list[dict[str, Any]]]:
    """Ends the run and gives the tasks that it captured, in their order."""

    def end() -> list[dict[str, Any]]:
        run.stop()
        return [message for message in publisher.messages if message["type"] == "task"]

    return end
