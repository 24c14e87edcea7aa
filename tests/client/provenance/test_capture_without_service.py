"""The end of programs whose service is away: how long they wait, and what they leave behind."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowcept import Flowcept, FlowceptTask
from flowcept.capture.service import ServicePublisher
from flowcept.db import DBAPI
from flowcept.errors import UnavailableError
from tests.client.conftest import Connect, client_settings
from tests.client.provenance.test_capture import run_settings
from tests.client.test_cli import COMMAND, environment
from tests.support.conditions import PATIENCE, eventually
from tests.support.ports import ReservedPort
from tests.support.server import ServerProcess, service_in_process

FOR_EVER = "3600"
PROGRAM = textwrap.dedent("""
    import sys
    from flowcept import Flowcept, FlowceptTask

    with Flowcept(workflow_id=sys.argv[1], workflow_name="alone"):
        for number in range(3):
            with FlowceptTask(activity_id="a", used={"i": number}):
                pass
""")


def started(directory: Path, workflow_id: str, target: str) -> subprocess.Popen[str]:
    """The program, with as much time for its end as it wants."""
    environ = {
        **os.environ,
        "FLOWCEPT_TARGET": target,
        "FLOWCEPT_CAPTURE_FLUSH_INTERVAL": FOR_EVER,
        "FLOWCEPT_CAPTURE_SHUTDOWN_TIMEOUT": FOR_EVER,
    }
    command = [sys.executable, "-c", PROGRAM, workflow_id]
    return subprocess.Popen(command, cwd=directory, env=environ, stderr=subprocess.PIPE, text=True)


def replay_as_told(told: str, target: str) -> None:
    """Run the command that a program has printed at its end."""
    found = re.search(r"flowcept (replay .+)", told)
    assert found is not None, told
    command = [*COMMAND, *shlex.split(found[1])]
    subprocess.run(command, env=environment(target), check=True, timeout=PATIENCE, capture_output=True)


def test_a_program_does_not_wait_for_a_service_that_is_not_there_and_says_how_to_replay(
    db: DBAPI, service: str, workflow_id: str, tmp_path: Path
) -> None:
    port = ReservedPort()
    with started(tmp_path, workflow_id, f"127.0.0.1:{port.number}") as program:
        _, told = program.communicate(timeout=PATIENCE)

    assert program.returncode == 0
    replay_as_told(told, service)
    assert sorted(task["used"]["i"] for task in db.task_query({"workflow_id": workflow_id})) == [0, 1, 2]
    assert db.workflow_query({"workflow_id": workflow_id})[0]["status"] == "FINISHED"


def test_a_user_who_does_not_want_to_wait_for_an_answer_loses_nothing(
    db: DBAPI, service: str, workflow_id: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)
        with started(tmp_path, workflow_id, f"127.0.0.1:{silent.getsockname()[1]}") as program:
            connection, _ = silent.accept()  # it publishes at its end: the end has begun
            program.send_signal(signal.SIGINT)
            _, told = program.communicate(timeout=PATIENCE)
            connection.close()

    assert program.returncode == -signal.SIGINT
    replay_as_told(told, service)
    assert len(db.task_query({"workflow_id": workflow_id})) == 3


def test_the_end_waits_for_a_service_that_restarts(tmp_path: Path, connect: Connect) -> None:
    with ServerProcess(tmp_path) as server, ThreadPoolExecutor(1) as pool:
        db = connect(server.target)
        settings = run_settings(server.target, tmp_path, shutdown_timeout=PATIENCE)
        with Flowcept(workflow_name="restarted", settings=settings) as run:
            eventually(lambda: bool(db.workflow_query({"workflow_id": run.current_workflow_id})))
            server.kill()
            FlowceptTask(activity_id="last").send()
            restarting = pool.submit(server.start)
        restarting.result(PATIENCE)

        assert not (tmp_path / "unsent").exists()
        assert db.workflow_query({"workflow_id": run.current_workflow_id})[0]["status"] == "FINISHED"
        assert len(db.task_query({"workflow_id": run.current_workflow_id})) == 1


def test_connecting_anew_waits_for_no_pause_after_failures(tmp_path: Path) -> None:
    port = ReservedPort()
    target = f"127.0.0.1:{port.number}"
    settings = client_settings(target, retry={"initial_backoff": 3600, "max_backoff": 3600})
    message = {"type": "task", "task_id": "t", "message_id": "m"}
    publisher, other = ServicePublisher(settings), ServicePublisher(settings)
    for one in (publisher, other):
        with pytest.raises(UnavailableError):
            one.publish([message], timeout=PATIENCE)
    with service_in_process(tmp_path, listen=target):
        with pytest.raises(UnavailableError):
            publisher.publish([message], timeout=PATIENCE)
        publisher.reconnect()

        assert publisher.publish([message], timeout=PATIENCE) == []
    for one in (publisher, other):
        one.close()
