"""The life cycle of consumers, and the documented example as it is documented."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowcept.config import ClientSettings
from flowcept.consumers import BaseConsumer, EventAction, EventSelection
from flowcept.db import DBAPI
from flowcept.errors import PreconditionError, UnavailableError
from flowcept.records import TaskObject
from tests.client.conftest import PATIENT, Connect, client_settings
from tests.support.conditions import PATIENCE, eventually
from tests.support.server import ServerProcess


class Recorder(BaseConsumer):
    """Keeps what it is handed; stops after ``limit`` messages."""

    def __init__(self, db: DBAPI, limit: int = 1 << 30, **options: Any) -> None:
        options.setdefault("acknowledge_interval", 0.1)
        super().__init__(settings=db.connection.settings, **options)
        self.messages: list[Any] = []
        self.limit = limit
        self.behave: Callable[[Any], None] = lambda message: None

    def message_handler(self, msg_obj: dict[str, Any]) -> bool:
        self.behave(msg_obj)
        self.messages.append(msg_obj)
        return len(self.messages) < self.limit

    def sequences(self) -> list[int]:
        return [message.event.sequence for message in self.messages]


def publish(db: DBAPI, count: int, first: int = 0, **fields: Any) -> None:
    db.publish({"type": "task", "task_id": f"t{number}", **fields} for number in range(first, first + count))


def test_messages_are_records_with_their_kind_and_event(fresh: DBAPI) -> None:
    consumer = Recorder(fresh, limit=2, start_at="earliest")
    publish(fresh, 1, used={"lr": 0.1}, started_at=1_700_000_000.5, status="RUNNING")
    object_id = fresh.save_or_update_object(b"x", type="artifact")

    consumer.start(threaded=False)

    task, blob = consumer.messages
    assert (task["type"], task["used"], task["started_at"]) == ("task", {"lr": 0.1}, 1_700_000_000.5)
    assert TaskObject.from_dict(task).status == "RUNNING"
    assert (task.event.sequence, task.event.action) == (1, EventAction.CREATED)
    assert (blob["type"], blob["object_type"], blob["object_id"]) == ("object", "artifact", object_id)
    assert blob["version"] == 0


def test_a_handler_that_returns_false_stops_the_consumer(fresh: DBAPI) -> None:
    publish(fresh, 10)
    consumer = Recorder(fresh, limit=3, start_at=0)

    assert consumer.start(threaded=False) is consumer

    assert consumer.sequences() == [1, 2, 3]


def test_in_a_thread_nothing_that_follows_the_start_is_missed(fresh: DBAPI) -> None:
    publish(fresh, 5)
    consumer = Recorder(fresh).start(daemon=True)

    publish(fresh, 5, 5)

    assert consumer.catch_up(PATIENCE)
    consumer.stop_consumption()
    assert consumer.join(PATIENCE)
    assert consumer.sequences() == [6, 7, 8, 9, 10]


def test_catching_up_includes_what_is_not_selected(fresh: DBAPI) -> None:
    consumer = Recorder(fresh, selection=EventSelection(kinds=["workflow"])).start(daemon=True)
    publish(fresh, 5)

    assert consumer.catch_up(PATIENCE)
    assert consumer.messages == []
    consumer.stop_consumption()
    consumer.join(PATIENCE)


def test_deletions_are_handed_over_on_request(fresh: DBAPI) -> None:
    publish(fresh, 1, workflow_id="w")
    fresh.delete_workflow_data("w")
    publish(fresh, 1, 1)

    silent, all_ = Recorder(fresh, limit=2, start_at=0), Recorder(fresh, limit=3, start_at=0, deletions=True)
    silent.start(threaded=False)
    all_.start(threaded=False)

    assert silent.sequences() == [1, 3]
    assert all_.messages[1].event.action is EventAction.DELETED
    assert all_.messages[1]["task_id"] == "t0"


def test_an_error_of_the_handler_reaches_the_caller(fresh: DBAPI) -> None:
    publish(fresh, 1)
    consumer = Recorder(fresh, start_at=0)
    consumer.behave = lambda message: message["missing"]

    with pytest.raises(KeyError, match="missing"):
        consumer.start(threaded=False)


def test_an_error_in_a_thread_is_logged_and_raised_by_join(fresh: DBAPI, caplog: pytest.LogCaptureFixture) -> None:
    publish(fresh, 1)
    consumer = Recorder(fresh, start_at=0)
    consumer.behave = lambda message: message["missing"]

    consumer.start()

    with pytest.raises(KeyError, match="missing"):
        consumer.join(PATIENCE)
    assert isinstance(consumer.failure, KeyError)
    assert "ended with an error" in caplog.text


def test_a_durable_consumer_goes_on_where_it_stopped(fresh: DBAPI) -> None:
    publish(fresh, 10)
    Recorder(fresh, limit=4, name="durable", start_at="earliest").start(threaded=False)

    second = Recorder(fresh, limit=6, name="durable", start_at="earliest")
    second.start(threaded=False)

    assert second.sequences() == [5, 6, 7, 8, 9, 10]


def test_a_message_whose_handler_failed_comes_again(fresh: DBAPI) -> None:
    publish(fresh, 5)
    first = Recorder(fresh, name="durable", start_at=0)
    first.behave = lambda message: message["missing"] if message["task_id"] == "t3" else None
    with pytest.raises(KeyError):
        first.start(threaded=False)

    second = Recorder(fresh, limit=2, name="durable")
    second.start(threaded=False)

    assert [message["task_id"] for message in first.messages] == ["t0", "t1", "t2"]
    assert [message["task_id"] for message in second.messages] == ["t3", "t4"]


def test_an_idle_durable_consumer_acknowledges_what_it_has_handled(fresh: DBAPI) -> None:
    consumer = Recorder(fresh, name="durable").start(daemon=True)
    publish(fresh, 3)
    consumer.catch_up(PATIENCE)

    def acknowledged() -> bool:
        with fresh.events(0, consumer="durable") as events:
            return events.open() == 3

    eventually(acknowledged)
    consumer.stop_consumption()
    consumer.join(PATIENCE)


def test_a_consumer_outlives_restarts_of_the_service(tmp_path: Path, connect: Connect) -> None:
    with ServerProcess(tmp_path) as server:
        db = connect(server.target, retry=PATIENT)
        consumer = Recorder(db, limit=300, name="durable", start_at="earliest").start(daemon=True)
        for round_ in range(3):
            publish(db, 100, 100 * round_)
            server.restart()

        assert consumer.join(PATIENCE)

    assert consumer.sequences() == list(range(1, 301))


def test_the_life_cycle_can_be_repeated_but_not_doubled(fresh: DBAPI) -> None:
    consumer = Recorder(fresh).start(daemon=True)
    with pytest.raises(PreconditionError, match="running"):
        consumer.start()
    consumer.stop_consumption()
    consumer.join(PATIENCE)

    consumer.start(daemon=True)
    publish(fresh, 1)

    assert consumer.catch_up(PATIENCE)
    consumer.stop_consumption()
    consumer.join(PATIENCE)
    assert len(consumer.messages) == 1


def test_another_target_runs_in_the_thread(fresh: DBAPI) -> None:
    called: list[str] = []

    consumer = Recorder(fresh).start(target=called.append, args=("here",))

    assert consumer.join(PATIENCE)
    assert called == ["here"]


def test_catching_up_needs_a_running_consumer(fresh: DBAPI) -> None:
    with pytest.raises(PreconditionError, match="start"):
        Recorder(fresh).catch_up()


def test_a_service_that_is_not_there_is_an_error_of_start() -> None:
    class Nothing(BaseConsumer):
        def message_handler(self, msg_obj: dict[str, Any]) -> bool:
            raise AssertionError(msg_obj)

    settings = client_settings("127.0.0.1:1", retry={"max_attempts": 1}, connect_timeout=0.2)
    with pytest.raises(UnavailableError):
        Nothing(settings=settings).start()


DOCUMENTED = """
from typing import Dict
from flowcept.commons.flowcept_dataclasses.task_object import TaskObject
from flowcept.flowceptor.consumers.base_consumer import BaseConsumer

class MyConsumer(BaseConsumer):

    def __init__(self):
        super().__init__()

    def message_handler(self, msg_obj: Dict) -> bool:
        if msg_obj.get("type", "") == "task":
            msg = TaskObject.from_dict(msg_obj)
            print(msg)
            if msg.used:
                print(f"\\t\\tUsed: {msg.used}")
            if msg.generated:
                print(f"\\t\\tGenerated: {msg.generated}")
            if msg.custom_metadata:
                print(f"\\t\\tCustom Metadata: {msg.custom_metadata}")
            print()
            print()
        else:
            print(f"We got a msg with different type: {msg_obj.get('type', None)}")
        return True

if __name__ == "__main__":
    print("Starting consumer indefinitely. Press ctrl+c to stop")
    consumer = MyConsumer()
    consumer.start(daemon=False)
"""


def test_the_documented_example_runs_unmodified_until_ctrl_c(fresh: DBAPI, tmp_path: Path) -> None:
    script = tmp_path / "my_consumer.py"
    script.write_text(DOCUMENTED)
    settings: ClientSettings = fresh.connection.settings
    environ = {**os.environ, "FLOWCEPT_TARGET": settings.target, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, str(script)], env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    lines: list[str] = []
    stdout = process.stdout
    reader = threading.Thread(target=lambda: lines.extend(stdout))
    reader.start()
    try:
        # It subscribes at the latest edge, so what is published before it is there passes it by.
        def heard() -> bool:
            publish(fresh, 1, used={"lr": 0.1}, generated={"loss": 1}, activity_id="train")
            return any("Used: {'lr': 0.1}" in line for line in lines)

        eventually(heard)
        fresh.publish([{"type": "workflow", "workflow_id": "w"}])
        eventually(lambda: any("different type: workflow" in line for line in lines))
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
        reader.join(PATIENCE)
        stdout.close()

    assert lines[0] == "Starting consumer indefinitely. Press ctrl+c to stop\n"
    assert any(line.startswith("TaskObject(") and "activity_id='train'" in line for line in lines)
