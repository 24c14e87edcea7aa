"""The commands for records and events, as a person or a script runs them."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flowcept.cli._records import _dated
from flowcept.db import DBAPI
from flowcept.jsonlines import encode_line
from flowcept_service.domain.retention import Retention
from tests.client.conftest import Connect
from tests.client.test_cli import COMMAND, Ran, environment
from tests.support.conditions import PATIENCE, eventually
from tests.support.server import ServerProcess, service_in_process

Run = Callable[..., Ran]


@pytest.fixture
def run(service: str, tmp_path: Path) -> Run:
    """Runs the command in a directory of its own."""

    def runner(*arguments: str, target: str = service) -> Ran:
        done = subprocess.run(
            [*COMMAND, *arguments],
            capture_output=True,
            cwd=tmp_path,
            env=environment(target),
            timeout=PATIENCE,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Ran(done.returncode, done.stdout, done.stderr.decode())

    return runner


@pytest.fixture
def tasks(db: DBAPI, workflow_id: str) -> list[str]:
    """Identifiers of five tasks of a workflow."""
    db.publish(
        [
            {"type": "workflow", "workflow_id": workflow_id, "name": workflow_id, "status": "FINISHED"},
            *(
                {
                    "type": "task",
                    "task_id": f"{workflow_id}-{number}",
                    "workflow_id": workflow_id,
                    "activity_id": "train",
                    "used": {"lr": number / 10},
                    "status": "FINISHED" if number else "ERROR",
                    "started_at": 1_700_000_000 + number,
                }
                for number in range(5)
            ),
        ]
    )
    return [f"{workflow_id}-{number}" for number in range(5)]


def test_a_query_gives_a_line_of_json_for_each_record(run: Run, workflow_id: str, tasks: list[str]) -> None:
    wanted = json.dumps({"workflow_id": workflow_id, "used.lr": {"$gte": 0.2}})

    found = run(
        "query",
        "tasks",
        "--filter",
        wanted,
        "--project",
        "task_id,used.lr",
        "--sort=-used.lr",
        "--limit",
        "2",
        "--json",
    )

    assert found.code == 0
    assert found.lines == [{"task_id": tasks[4], "used": {"lr": 0.4}}, {"task_id": tasks[3], "used": {"lr": 0.3}}]


def test_a_query_is_a_table_for_people(run: Run, workflow_id: str, tasks: list[str]) -> None:
    wanted = json.dumps({"workflow_id": workflow_id})

    found = run("query", "tasks", "--filter", wanted, "--project", "task_id,used.lr", "--sort", "task_id")

    assert found.out.decode().splitlines()[:2] == [f"{'TASK_ID':<{len(tasks[0])}}  USED.LR", f"{tasks[0]}  0.0"]


def test_a_query_aggregates(run: Run, workflow_id: str, tasks: list[str]) -> None:
    found = run(
        "query",
        "tasks",
        "--filter",
        json.dumps({"workflow_id": workflow_id}),
        "--aggregate",
        "count",
        "--aggregate",
        "max:used.lr",
        "--project",
        "activity_id",
        "--json",
    )

    assert found.json == {"activity_id": "train", "count": 5, "max_used_lr": 0.4}


@pytest.mark.parametrize(
    "arguments",
    [
        ("query", "blobs"),
        ("query", "tasks", "--filter", "{"),
        ("query", "tasks", "--filter", '{"$where": "1"}'),
        ("query", "tasks", "--aggregate", "median:x"),
        ("events", "tail", "--from", "soon"),
        ("events", "tail", "--from", "9" * 30),
        ("events", "tail", "--kind", "blob"),
        ("task", "ls", "--status", "done"),
        ("replay", "missing.jsonl"),
    ],
)
def test_wrong_usage_is_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).code == 2


def test_tasks_are_listed_newest_first(run: Run, workflow_id: str, tasks: list[str]) -> None:
    listed = run("task", "ls", "--workflow-id", workflow_id, "--status", "FINISHED", "--json")

    assert [task["task_id"] for task in listed.lines] == tasks[:0:-1]
    assert "train" in run("task", "ls", "--workflow-id", workflow_id).out.decode()


@pytest.mark.parametrize("seconds", [1e18, -1e18, float("nan")])
def test_a_time_that_is_none_is_shown_as_it_is_stored(seconds: float) -> None:
    assert _dated({"started_at": seconds, "ended_at": 0.0}) == {
        "started_at": pytest.approx(seconds, nan_ok=True),
        "ended_at": datetime(1970, 1, 1, tzinfo=UTC),
    }


def test_numbers_that_json_does_not_have_are_written_as_extended_json(run: Run, db: DBAPI, workflow_id: str) -> None:
    used = {"a": float("nan"), "b": [float("inf")], "c": {"d": -float("inf")}, "e": 0.5}
    db.publish([{"type": "task", "task_id": workflow_id, "used": used}])

    shown = run("task", "show", workflow_id, "--json")

    found = json.loads(shown.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    nan, infinity, least = ({"$numberDouble": name} for name in ("NaN", "Infinity", "-Infinity"))
    assert found["used"] == {"a": nan, "b": [infinity], "c": {"d": least}, "e": 0.5}


def test_a_status_has_no_case(run: Run, workflow_id: str, tasks: list[str]) -> None:
    assert len(run("task", "ls", "--workflow-id", workflow_id, "--status", "error", "--json").lines) == 1


def test_times_of_workflows_are_dates_for_a_person_and_as_stored_in_json(run: Run, db: DBAPI, workflow_id: str) -> None:
    db.publish([{"type": "workflow", "workflow_id": workflow_id, "name": workflow_id, "started_at": 1_750_000_000.5}])

    assert b"2025-06-15 15:06:40" in run("workflow", "ls", "--name", workflow_id).out
    assert b"2025-06-15 15:06:40" in run("workflow", "show", workflow_id).out
    assert run("workflow", "show", workflow_id, "--json").json["started_at"] == 1_750_000_000.5


def test_names_cannot_steer_the_terminal(run: Run, fresh: DBAPI) -> None:
    target = fresh.connection.settings.target
    fresh.save_or_update_object(b"x", "red\x1b[31m\nsecond", tags=["\x07"])

    listed = [
        run("blob", "ls", target=target),
        run("blob", "stat", "red\x1b[31m\nsecond", target=target),
        run("blob", "verify", "red\x1b[31m\nsecond", target=target),
        run("events", "tail", "--from", "1", "--limit", "1", target=target),
    ]

    for done in listed:
        assert done.code == 0
        assert rb"red\x1b[31m\nsecond" in done.out
        assert not {b"\x1b", b"\x07"} & {done.out[at : at + 1] for at in range(len(done.out))}


def test_a_task_is_shown_whole(run: Run, tasks: list[str]) -> None:
    assert run("task", "show", tasks[1], "--json").json["used"] == {"lr": 0.1}


def test_a_workflow_is_shown_with_what_its_tasks_add_up_to(run: Run, workflow_id: str, tasks: list[str]) -> None:
    shown = run("workflow", "show", workflow_id, "--json").json

    assert (shown["name"], shown["tasks"], shown["task_status"]) == (workflow_id, 5, {"ERROR": 1, "FINISHED": 4})
    assert [row["workflow_id"] for row in run("workflow", "ls", "--name", workflow_id, "--json").lines] == [workflow_id]


def test_what_is_not_there_is_exit_code_3(run: Run) -> None:
    found = run("task", "show", "nobody", "--json")

    assert found.code == 3
    assert json.loads(found.err)["reason"] == "RECORD_NOT_FOUND"


def test_events_are_printed_from_a_sequence_on(run: Run, fresh: DBAPI) -> None:
    fresh.publish({"type": "task", "task_id": f"t{number}", "activity_id": "a"} for number in range(5))
    target = fresh.connection.settings.target

    lines = run("events", "tail", "--from", "3", "--limit", "2", "--json", target=target).lines

    assert [(line["sequence"], line["id"], line["document"]["activity_id"]) for line in lines] == [
        (3, "t2", "a"),
        (4, "t3", "a"),
    ]
    text = run("events", "tail", "--from", "earliest", "--limit", "1", target=target).out.decode()
    assert text.split()[0] == "1"
    assert "t0  a" in text


def test_a_sequence_that_the_log_does_not_hold_is_refused_as_it_was_given(
    run: Run, connect: Connect, tmp_path: Path
) -> None:
    with service_in_process(tmp_path / "service") as running:
        client = connect(running.target)
        for number in range(6):
            client.publish([{"type": "task", "task_id": f"t{number}"}])
        running.storage.sweep(Retention(events_seconds=0.0), datetime.now(UTC).replace(year=2100))
        client.publish([{"type": "task", "task_id": "t6"}])

        trimmed = run("events", "tail", "--from", "3", target=running.target)
        future = run("events", "tail", "--from", "9", target=running.target)

    assert (trimmed.code, future.code) == (1, 1)
    assert "events from 3 on were asked for, and those up to 6 are no longer held" in trimmed.err
    assert "events from 9 on were asked for, and the last one is 7" in future.err


def test_a_named_consumer_goes_on_where_it_ended(run: Run, fresh: DBAPI) -> None:
    fresh.publish({"type": "task", "task_id": f"t{number}"} for number in range(6))
    arguments = ("events", "tail", "--consumer", "backup", "--from", "earliest", "--limit", "3", "--json")

    ids = [[line["id"] for line in run(*arguments, target=fresh.connection.settings.target).lines] for _ in range(2)]

    assert ids == [["t0", "t1", "t2"], ["t3", "t4", "t5"]]


def test_a_consumer_is_deleted_by_its_name(run: Run, fresh: DBAPI) -> None:
    fresh.acknowledge("backup", 0)
    target = fresh.connection.settings.target

    partly = run("consumer", "rm", "backup", "nobody", "--json", target=target)

    assert partly.code == 1
    assert partly.lines == [{"consumer": "backup", "sequence": 0}]
    assert json.loads(partly.err)["reason"] == "CONSUMER_NOT_FOUND"
    assert run("consumer", "rm", "backup", target=target).code == 3


def interrupted_tail(target: str, out: Path, *options: str, after: Callable[[], object]) -> str:
    """Tail all events into a file, press Ctrl-C after something, and give what the command says."""
    with out.open("wb") as file:
        process = subprocess.Popen(
            [*COMMAND, "events", "tail", "--from", "earliest", "--json", *options],
            stdout=file,
            stderr=subprocess.PIPE,
            env=environment(target),
        )
    try:
        after()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert b"Traceback" not in err
    return err.decode()


def test_a_tail_follows_until_it_is_interrupted(fresh: DBAPI, tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"

    def follows() -> None:
        for number in range(3):
            fresh.publish([{"type": "task", "task_id": f"t{number}"}, {"type": "workflow", "workflow_id": "w"}])
            eventually(partial(has_lines, out, number + 1))

    interrupted_tail(fresh.connection.settings.target, out, "--kind", "task", after=follows)

    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["t0", "t1", "t2"]


def test_a_tail_that_cannot_say_how_far_it_has_come_says_so_and_ends_as_it_was_told(
    tmp_path: Path, connect: Connect
) -> None:
    out = tmp_path / "events.jsonl"
    with ServerProcess(tmp_path) as server:
        connect(server.target).publish([{"type": "task", "task_id": "t"}])

        def loses_the_service() -> None:
            eventually(partial(has_lines, out, 1))
            server.kill()  # before the second after which it acknowledges

        said = interrupted_tail(server.target, out, "--consumer", "backup", after=loses_the_service)

    assert "consumer 'backup' has come to 1; if it ends now, events behind 0 come again" in said


def has_lines(path: Path, count: int) -> bool:
    return path.read_bytes().count(b"\n") == count


def write_unsent(path: Path, workflow_id: str) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "task", "workflow_id": workflow_id, "used": {"i": number}, "message_id": f"{workflow_id}-{number}"}
        for number in range(10)
    ]
    path.write_bytes(b"".join(map(encode_line, messages)))


def test_a_file_is_replayed_once_however_often(run: Run, db: DBAPI, workflow_id: str, tmp_path: Path) -> None:
    write_unsent(tmp_path / "unsent.jsonl", workflow_id)

    ran = [run("replay", "unsent.jsonl", "--json") for _ in range(2)]

    assert [done.code for done in ran] == [0, 0]
    assert ran[0].json == {"file": "unsent.jsonl", "messages": 10, "refused": []}
    assert len(db.task_query({"workflow_id": workflow_id})) == 10


def test_a_bad_line_is_reported_and_holds_up_no_other(run: Run, db: DBAPI, workflow_id: str, tmp_path: Path) -> None:
    path = tmp_path / "unsent.jsonl"
    write_unsent(path, workflow_id)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], b'{"cut off', b"\n", b"\n", b'{"type": "nothing"}\n', *lines[4:]]))

    done = run("replay", "unsent.jsonl", "--json")

    assert done.code == 1
    assert [line["line"] for line in done.json["refused"]] == [5, 7]
    assert "unsent.jsonl:5: " in done.err
    assert len(db.task_query({"workflow_id": workflow_id})) == 10


def test_without_a_service_a_replay_is_exit_code_5(run: Run, tmp_path: Path, workflow_id: str) -> None:
    write_unsent(tmp_path / "unsent.jsonl", workflow_id)

    assert run("replay", "unsent.jsonl", target="127.0.0.1:1").code == 5
