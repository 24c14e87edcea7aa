"""The examples for events do what they say."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from flowcept.db import DBAPI
from tests.support.conditions import PATIENCE, eventually

EXAMPLES = Path(__file__).parents[3] / "examples"


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]


def environment(db: DBAPI) -> dict[str, str]:
    return {**os.environ, "FLOWCEPT_TARGET": db.connection.settings.target}


def run(db: DBAPI, name: str, *arguments: str) -> str:
    done = subprocess.run(
        command(name, *arguments), env=environment(db), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_players_answer_each_other_in_turn(fresh: DBAPI) -> None:
    lines = run(fresh, "ping_pong.py", "--rounds", "3").splitlines()

    assert [line.split() for line in lines[:-1]] == [
        [str(number), "ping" if number % 2 else "pong"] for number in range(1, 7)
    ]
    assert re.fullmatch(r"6 strokes in \d+ ms: [\d.]+ ms from one to the next", lines[-1])
    assert len(fresh.task_query({})) == 6


def publish_lineage(db: DBAPI) -> str:
    """A checkpoint, made by a training that used what a preparation generated; its identifier."""
    db.publish(
        [
            {"type": "workflow", "workflow_id": "w", "name": "training"},
            {"type": "task", "task_id": "t1", "workflow_id": "w", "activity_id": "prepare", "generated": {"rows": [1]}},
            {
                "type": "task",
                "task_id": "t2",
                "workflow_id": "w",
                "activity_id": "train",
                "used": {"rows": [1], "lr": 0.1},
                "generated": {"checkpoint_id": "checkpoint"},
            },
        ]
    )
    return db.save_or_update_object(b"weights", object_id="checkpoint", type="ml_model", task_id="t2", workflow_id="w")


def test_lineage_leads_from_a_checkpoint_to_what_it_came_from(fresh: DBAPI, tmp_path: Path) -> None:
    checkpoint = publish_lineage(fresh)
    database = str(tmp_path / "lineage.db")

    lines = run(fresh, "lineage_to_sqlite.py", database, "--once", "--of", checkpoint).splitlines()

    assert [line.strip() for line in lines[1:]] == [
        "object  ml_model version 0",
        "task  train",
        "value  lr = 0.1",
        "value  rows = [1]",
        "workflow  training",
        "task  prepare",
    ]


def test_lineage_goes_on_where_it_stopped(fresh: DBAPI, tmp_path: Path) -> None:
    publish_lineage(fresh)
    path = tmp_path / "lineage.db"
    first = run(fresh, "lineage_to_sqlite.py", str(path), "--once")
    again = run(fresh, "lineage_to_sqlite.py", str(path), "--once")
    process = subprocess.Popen(
        command("lineage_to_sqlite.py", str(path)),
        env=environment(fresh),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def tasks() -> set[str]:
        database = sqlite3.connect(path)
        try:
            return {row[0] for row in database.execute("SELECT id FROM nodes WHERE kind = 'task'")}
        finally:
            database.close()

    try:
        fresh.publish([{"type": "task", "task_id": "t3", "workflow_id": "w", "used": {"checkpoint_id": "checkpoint"}}])
        eventually(lambda: tasks() == {"t1", "t2", "t3"})
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()

    assert first == again
    assert process.returncode == 0
    assert err == b"stopped; start again to go on\n"
    assert out.startswith(str(path).encode())
