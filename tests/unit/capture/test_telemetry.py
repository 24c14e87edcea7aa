"""Snapshots of the machine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowcept.capture.controller import Flowcept
from flowcept.capture.loop import FlowceptLoop
from flowcept.capture.task import FlowceptTask
from flowcept.capture.telemetry import TelemetryCapture, open_telemetry
from flowcept.config import TelemetrySettings
from tests.support.publishing import RecordingPublisher
from tests.unit.capture.conftest import make_settings

psutil = pytest.importorskip("psutil")
EVERYTHING = TelemetrySettings(
    cpu=True, per_cpu=True, mem=True, disk=True, network=True, process_info=True, machine_info=True
)


def test_every_part_can_be_had() -> None:
    snapshot = TelemetryCapture(EVERYTHING, psutil).snapshot()

    assert snapshot is not None
    assert set(snapshot) == {"cpu", "memory", "disk", "network", "process"}
    found: Any = snapshot
    assert found["cpu"]["times_avg"]["user"] > 0
    assert len(found["cpu"]["percent_per_cpu"]) == psutil.cpu_count()
    assert found["memory"]["virtual"]["total"] > 0


@pytest.mark.parametrize("settings", [TelemetrySettings(), TelemetrySettings(enabled=False, cpu=True)])
def test_nothing_is_taken_that_is_not_wanted(settings: TelemetrySettings) -> None:
    assert open_telemetry(settings) is None


def test_a_part_that_the_system_refuses_is_left_out() -> None:
    class Refusing:
        Error = psutil.Error

        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name == "disk_usage":
                return lambda path: (_ for _ in ()).throw(PermissionError(path))
            found: Callable[..., Any] = getattr(psutil, name)
            return found

    snapshot = TelemetryCapture(EVERYTHING, Refusing()).snapshot()  # type: ignore[arg-type]  # stands for the package

    assert snapshot is not None
    assert set(snapshot) == {"cpu", "memory", "network", "process"}


def test_without_psutil_it_is_said_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)

    with caplog.at_level(logging.WARNING):
        assert open_telemetry(EVERYTHING) is None

    assert "flowcept-service[telemetry]" in caplog.text


def test_tasks_iterations_and_workflows_carry_it(publisher: RecordingPublisher, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, capture={"telemetry": {"cpu": True, "machine_info": True}})
    with Flowcept(settings=settings, publisher=publisher.open):
        with FlowceptTask(activity_id="a"):
            pass
        FlowceptTask(activity_id="quiet", capture_telemetry=False).end()
        for _ in FlowceptLoop(1):
            pass

    workflow = publisher.messages[0]
    [(_, machine)] = workflow["machine_info"].items()
    assert machine["cpu"]["count"] == psutil.cpu_count()
    messages = {message["activity_id"]: message for message in publisher.messages if message["type"] == "task"}
    for activity in ("a", "loop_iteration"):
        assert messages[activity]["telemetry_at_start"]["cpu"]["times_avg"]
        assert messages[activity]["telemetry_at_end"]["cpu"]["times_avg"]
    assert "telemetry_at_start" not in messages["quiet"]
