"""A captured run, from the decorated function to the stored record."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from flowcept import Flowcept, FlowceptLoop, FlowceptTask, flowcept_task
from flowcept.capture.replay import replay
from flowcept.capture.service import ServicePublisher
from flowcept.config import ClientSettings
from flowcept.db import DBAPI
from tests.client.conftest import Connect, client_settings
from tests.support.conditions import PATIENCE, eventually
from tests.support.server import ServerProcess


@pytest.fixture
def settings(service: str, tmp_path: Path) -> ClientSettings:
    """Settings of a run that writes its files into a directory of the test's own."""
    return run_settings(service, tmp_path)


def run_settings(target: str, directory: Path, **capture: Any) -> ClientSettings:
    return client_settings(
        target,
        capture={"flush_interval": 0.05, "spill_directory": directory / "unsent", **capture},
        buffer_file={"path": directory / "buffer.jsonl"},
    )


@flowcept_task(output_names="loss")
def train(lr: float, epochs: int = 2) -> float:
    return lr * epochs


def test_a_run_is_stored_with_its_tasks(db: DBAPI, settings: ClientSettings) -> None:
    with Flowcept(workflow_name="training", workflow_args={"seed": 7}, settings=settings) as run:
        train(0.5)
        loop = FlowceptLoop(range(2), loop_name="epochs", item_name="epoch")
        for epoch in loop:
            with FlowceptTask(activity_id="step", used={"epoch": epoch}):
                loop.end_iter({"loss": epoch})

    [workflow] = db.workflow_query({"workflow_id": run.current_workflow_id})
    assert (workflow["name"], workflow["used"], workflow["status"]) == ("training", {"seed": 7}, "FINISHED")
    assert workflow["started_at"] <= workflow["ended_at"]
    tasks = {
        (task["activity_id"], task["used"].get("epoch")): task
        for task in db.task_query({"workflow_id": run.current_workflow_id})
    }
    assert len(tasks) == 5
    assert tasks["train", None]["used"] == {"lr": 0.5, "epochs": 2}
    assert tasks["train", None]["generated"] == {"loss": 1.0}
    iteration = tasks["epochs_iteration", 1]
    assert (iteration["subtype"], iteration["generated"]) == ("iteration", {"loss": 1})
    assert tasks["step", 1]["parent_task_id"] == iteration["task_id"]
    assert {task["status"] for task in tasks.values()} == {"FINISHED"}


def test_an_error_is_the_status_of_task_and_run(db: DBAPI, settings: ClientSettings) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        Flowcept(workflow_name="failing", settings=settings) as run,
        FlowceptTask(activity_id="divide"),
    ):
        1 / 0  # noqa: B018 - it is to fail

    [task] = db.task_query({"workflow_id": run.current_workflow_id})
    assert (task["status"], task["stderr"]) == ("ERROR", "ZeroDivisionError: division by zero")
    assert db.workflow_query({"workflow_id": run.current_workflow_id})[0]["status"] == "ERROR"


def test_the_buffer_file_has_what_was_published(db: DBAPI, settings: ClientSettings) -> None:
    with Flowcept(settings=settings) as run:
        train(0.1)

    messages = Flowcept.read_buffer_file(settings.buffer_file.path)
    assert isinstance(messages, list)
    assert "train" in [message.get("activity_id") for message in messages]
    assert len(db.task_query({"workflow_id": run.current_workflow_id})) == 1


def test_a_run_without_a_service_is_kept_and_replayed_once(db: DBAPI, service: str, tmp_path: Path) -> None:
    away = run_settings("127.0.0.1:1", tmp_path, shutdown_timeout=0.2)
    with Flowcept(workflow_name="alone", settings=away) as run:
        for number in range(10):
            with FlowceptTask(activity_id="a", used={"i": number}):
                pass
    files = sorted((tmp_path / "unsent").glob("*.jsonl"))
    assert files
    publisher = ServicePublisher(client_settings(service))

    first = [replay(file, publisher) for file in files]
    again = [replay(file, publisher) for file in files]
    publisher.close()

    assert first == again
    assert sum(done.messages for done in first) >= 12
    assert len(db.task_query({"workflow_id": run.current_workflow_id})) == 10
    assert db.workflow_query({"workflow_id": run.current_workflow_id})[0]["status"] == "FINISHED"


def test_a_service_that_comes_back_gets_what_was_kept(tmp_path: Path, connect: Connect) -> None:
    with ServerProcess(tmp_path) as server:
        db = connect(server.target)
        server.kill()
        with Flowcept(settings=run_settings(server.target, tmp_path, max_memory=64 << 10)) as run:
            for number in range(1000):
                with FlowceptTask(activity_id="a", used={"i": number}):
                    pass
            server.start()

            def stored() -> bool:
                found = db.query({"workflow_id": run.current_workflow_id}, aggregation=[("count", "*")])
                return bool(found) and found[0]["count"] == 1000

            eventually(stored)

        assert not (tmp_path / "unsent").exists()
        assert db.workflow_query({"workflow_id": run.current_workflow_id})[0]["status"] == "FINISHED"


def in_worker(number: int) -> int:
    with FlowceptTask(activity_id="worker", used={"i": number}):
        return os.getpid()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking with threads, which is what is tested
def test_tasks_of_forked_workers_belong_to_the_run(db: DBAPI, settings: ClientSettings) -> None:
    with Flowcept(settings=settings) as run, multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(in_worker, range(20))
        pool.close()
        pool.join()

    found = db.task_query({"workflow_id": run.current_workflow_id})
    assert sorted(task["used"]["i"] for task in found) == list(range(20))


KILLED = textwrap.dedent("""
    import os, signal, sys
    from flowcept import Flowcept, FlowceptTask

    def tasks(first, last):
        for number in range(first, last):
            with FlowceptTask(activity_id="a", used={"i": number}):
                pass

    with Flowcept(workflow_id=sys.argv[1], workflow_name="killed"):
        tasks(0, 400)
        sys.stdin.readline()
        tasks(400, 420)
        os.kill(os.getpid(), signal.SIGKILL)
""")


def test_a_killed_client_loses_no_more_than_its_last_buffer(
    db: DBAPI, service: str, workflow_id: str, tmp_path: Path
) -> None:
    environ = {**os.environ, "FLOWCEPT_TARGET": service, "FLOWCEPT_CAPTURE_FLUSH_INTERVAL": "0.05"}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, workflow_id], stdin=subprocess.PIPE, cwd=tmp_path, env=environ
    )
    assert process.stdin is not None

    def count() -> int:
        return len(db.task_query({"workflow_id": workflow_id}, projection=["task_id"]))

    # Within a flush interval everything is published, though the program goes on.
    eventually(lambda: count() == 400)
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.wait(PATIENCE)
    process.stdin.close()

    assert process.returncode == -signal.SIGKILL
    assert 400 <= count() <= 420


def test_what_is_captured_is_flushed_when_the_program_ends_without_an_end(
    db: DBAPI, service: str, workflow_id: str, tmp_path: Path
) -> None:
    program = textwrap.dedent("""
        import sys
        from flowcept import Flowcept, FlowceptTask
        Flowcept(workflow_id=sys.argv[1]).start()
        with FlowceptTask(activity_id="last"):
            pass
    """)
    environ = {**os.environ, "FLOWCEPT_TARGET": service, "FLOWCEPT_CAPTURE_FLUSH_INTERVAL": "60"}

    subprocess.run(
        [sys.executable, "-c", program, workflow_id], cwd=tmp_path, env=environ, check=True, timeout=PATIENCE
    )

    assert [task["activity_id"] for task in db.task_query({"workflow_id": workflow_id})] == ["last"]
    assert json.loads((tmp_path / "flowcept_buffer.jsonl").read_text().splitlines()[0])["workflow_id"] == workflow_id
