"""An existing Flowcept 0.10 reads from the database what our service wrote, and our service serves what it wrote."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from flowcept.db import DBAPI
from flowcept.records import TaskObject, WorkflowObject
from flowcept.vocabulary import Status
from tests.client.conftest import client_settings
from tests.support.mongod import Mongod
from tests.support.server import service_in_process

RELEASE = "flowcept==0.10.6"
NEEDED = ["pymongo", "pandas", "pyarrow", "requests", "psutil", "torch==2.13.0"]
ENVIRONMENT = Path(__file__).resolve().parents[2] / ".cache" / "flowcept-0.10.6"
SCRIPT = Path(__file__).resolve().parents[1] / "support" / "flowcept_0_10.py"
TASK_TIME = datetime.fromtimestamp(1_760_000_000.5, UTC)
Flowcept = Callable[[str], dict[str, Any]]


def bytes_of(size: int, seed: int) -> bytes:
    return bytes((seed + n * 31) % 251 for n in range(size))


def model() -> torch.nn.Module:
    torch.manual_seed(7)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of an environment with Flowcept in it, made once and kept."""
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    complete = ENVIRONMENT / "complete"
    with (ENVIRONMENT.parent / "flowcept-0.10.6.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
            install = [str(ENVIRONMENT / "bin" / "pip"), "install", "--quiet", "--no-compile"]
            subprocess.run([*install, RELEASE, *NEEDED], check=True)
            complete.touch()
    return ENVIRONMENT / "bin" / "python"


@pytest.fixture(scope="module")
def mongod() -> Iterator[Mongod]:
    with Mongod() as mongod:
        yield mongod


@pytest.fixture(scope="module")
def flowcept(python: Path, mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Flowcept:
    """Has Flowcept 0.10.6 do something with the database; its answer."""
    directory = tmp_path_factory.mktemp("flowcept")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("FLOWCEPT", "PYTHON"))},
        "MONGO_ENABLED": "true",
        "MONGO_URI": mongod.uri,
        "LMDB_ENABLED": "false",
        "MQ_ENABLED": "false",
        "HOME": str(directory),
    }

    def run(command: str) -> dict[str, Any]:
        done = subprocess.run(
            [str(python), str(SCRIPT), command], env=environ, cwd=directory, capture_output=True, text=True, check=False
        )
        answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
        assert len(answers) == 1, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        answer: dict[str, Any] = json.loads(answers[0].removeprefix("ANSWER "))
        return answer

    return run


@pytest.fixture(scope="module")
def db(mongod: Mongod, flowcept: Flowcept, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DBAPI]:
    """A client of our service, on a database that Flowcept has used before."""
    flowcept("write")
    directory = tmp_path_factory.mktemp("service")
    with (
        service_in_process(directory, store="mongodb", mongodb_uri=mongod.uri) as service,
        DBAPI(client_settings(service.target)) as db,
    ):
        yield db


@pytest.fixture(scope="module")
def read_by_flowcept(db: DBAPI, flowcept: Flowcept) -> dict[str, Any]:
    """What Flowcept reads after our service has written."""
    db.save_or_update_object(
        bytes_of(1000, 1), object_id="ours-small", save_data_in_collection=True, type="artifact", tags=["x", "y"]
    )
    db.save_or_update_object(
        bytes_of(600_000, 2),
        object_id="ours-large",
        custom_metadata={"$k": [1, {"a.b": "$used"}]},
        workflow_id="ours-w",
    )
    db.save_or_update_object(b"", object_id="ours-empty")
    for number in range(3):
        db.save_or_update_dataset(bytes_of(300_000 + number, number), object_id="ours-versions", control_version=True)
    db.save_or_update_torch_model(model(), object_id="ours-model")
    workflow = WorkflowObject(workflow_id="ours-w", name="ours", used={"n": {"$x": "$used"}})
    workflow.campaign_id = "ours-c"
    db.insert_or_update_workflow(workflow)
    for number in range(3):
        task = TaskObject()
        task.task_id, task.workflow_id, task.activity_id = f"ours-t{number}", "ours-w", "train"
        task.used, task.generated = {"epoch": number}, {"loss": 1.0 / (number + 1)}
        task.started_at, task.status = TASK_TIME.timestamp(), Status.FINISHED
        db.insert_or_update_task(task)
    return flowcept("read")


def decoded(text: str) -> bytes:
    return base64.b64decode(text)


def test_flowcept_reads_our_blobs(read_by_flowcept: dict[str, Any]) -> None:
    blobs = read_by_flowcept["blobs"]

    assert decoded(blobs["ours-small"]["data"]) == bytes_of(1000, 1)
    assert decoded(blobs["ours-large"]["data"]) == bytes_of(600_000, 2)
    assert decoded(blobs["ours-empty"]["data"]) == b""
    assert decoded(blobs["ours-versions"]["data"]) == bytes_of(300_002, 2)
    assert (blobs["ours-small"]["fields"]["type"], blobs["ours-small"]["fields"]["tags"]) == ("artifact", ["x", "y"])
    assert blobs["ours-large"]["fields"]["custom_metadata"] == {"$k": [1, {"a.b": "$used"}]}
    assert blobs["ours-large"]["fields"]["workflow_id"] == "ours-w"


def test_flowcept_reads_our_versions_and_history(read_by_flowcept: dict[str, Any]) -> None:
    expected = [bytes_of(300_000 + number, number) for number in range(3)]

    assert [decoded(text) for text in read_by_flowcept["versions"]] == expected
    assert read_by_flowcept["history"] == [
        [
            number,
            number - 1 if number else None,
            300_000 + number,
            hashlib.sha256(expected[number]).hexdigest(),
            "gridfs",
        ]
        for number in (2, 1, 0)
    ]


def test_flowcept_reads_our_fingerprints(read_by_flowcept: dict[str, Any]) -> None:
    fingerprints = read_by_flowcept["fingerprints"]

    for name, data, storage in (("small", bytes_of(1000, 1), "in_object"), ("large", bytes_of(600_000, 2), "gridfs")):
        found = fingerprints[f"ours-{name}"]
        assert found["data_sha256"] == hashlib.sha256(data).hexdigest()
        assert (found["object_size_bytes"], found["version"], found["storage_type"]) == (len(data), 0, storage)
    assert read_by_flowcept["equal"] is False


def test_flowcept_loads_our_torch_model(read_by_flowcept: dict[str, Any]) -> None:
    expected = [parameter.flatten().tolist() for parameter in model().parameters()]

    assert read_by_flowcept["weights"] == expected
    assert read_by_flowcept["model_class"] == "Sequential"


def test_flowcept_reads_our_tasks_and_workflows(read_by_flowcept: dict[str, Any]) -> None:
    assert read_by_flowcept["workflow"] == {"name": "ours", "campaign_id": "ours-c", "used": {"n": {"$x": "$used"}}}
    assert read_by_flowcept["tasks"] == [
        {
            "task_id": f"ours-t{number}",
            "activity_id": "train",
            "used": {"epoch": number},
            "generated": {"loss": 1.0 / (number + 1)},
            "status": "FINISHED",
        }
        for number in range(3)
    ]


@pytest.mark.parametrize(
    ("object_id", "data"),
    [
        ("theirs-small", bytes_of(1000, 1)),
        ("theirs-large", bytes_of(600_000, 2)),
        ("theirs-versions", bytes_of(300_002, 2)),
        ("theirs-moved-out", b"new out of line"),
        ("theirs-moved-in", b"new"),
    ],
)
def test_we_serve_the_blobs_of_flowcept(db: DBAPI, object_id: str, data: bytes) -> None:
    blob = db.get_blob_object(object_id)

    assert bytes(blob.data) == data
    assert blob.data_sha256 == hashlib.sha256(data).hexdigest()


def test_we_serve_the_versions_of_flowcept(db: DBAPI) -> None:
    for number in range(3):
        assert bytes(db.get_blob_object("theirs-versions", number).data) == bytes_of(300_000 + number, number)
    assert [row["version"] for row in db.get_object_history("theirs-versions")] == [2, 1, 0]


def test_we_load_the_torch_model_of_flowcept(db: DBAPI) -> None:
    loaded = model()
    for parameter in loaded.parameters():
        torch.nn.init.zeros_(parameter)

    db.load_torch_model(loaded, "theirs-model")

    for found, expected in zip(loaded.parameters(), model().parameters(), strict=True):
        assert torch.equal(found, expected)


def test_we_serve_the_records_of_flowcept(db: DBAPI) -> None:
    (task,) = db.task_query({"workflow_id": "theirs-w"})
    workflow = db.get_workflow_object("theirs-w")

    assert (task["task_id"], task["used"], task["generated"]) == ("theirs-t", {"lr": 0.5}, {"loss": 1.5})
    assert workflow is not None
    assert (workflow.name, workflow.campaign_id) == ("theirs", "theirs-c")


def test_our_update_of_a_blob_of_flowcept_continues_its_history(db: DBAPI) -> None:
    db.save_or_update_dataset(b"ours now", object_id="theirs-versions", control_version=True)

    assert bytes(db.get_blob_object("theirs-versions").data) == b"ours now"
    assert [row["version"] for row in db.get_object_history("theirs-versions")] == [3, 2, 1, 0]
    assert bytes(db.get_blob_object("theirs-versions", 2).data) == bytes_of(300_002, 2)
