"""Runs in an environment of its own, with Flowcept 0.10.6 installed: writes and reads a database by its own means.

Called as ``python flowcept_0_10.py write|read`` with the settings in the environment; answers with JSON on stdout.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import torch

from flowcept import Flowcept, TaskObject, WorkflowObject

TASK_TIME = 1_760_000_000.5


def model() -> torch.nn.Module:
    torch.manual_seed(7)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))


def bytes_of(size: int, seed: int) -> bytes:
    return bytes((seed + n * 31) % 251 for n in range(size))


def write() -> dict[str, Any]:
    db = Flowcept.db
    workflow = WorkflowObject(workflow_id="theirs-w", name="theirs", used={"a.b": 1, "n": {"$x": "$used"}})
    workflow.campaign_id = "theirs-c"
    db.insert_or_update_workflow(workflow)
    task = TaskObject()
    task.task_id = "theirs-t"
    task.workflow_id = "theirs-w"
    task.activity_id = "train"
    task.started_at = TASK_TIME
    task.used = {"lr": 0.5}
    task.generated = {"loss": 1.5}
    db.insert_or_update_task(task)
    small, large = bytes_of(1000, 1), bytes_of(600_000, 2)
    db.save_or_update_object(small, object_id="theirs-small", save_data_in_collection=True, type="artifact")
    db.save_or_update_object(large, object_id="theirs-large", custom_metadata={"k": [1, {"deep": True}]}, tags=["x"])
    for number in range(3):
        db.save_or_update_dataset(
            bytes_of(300_000 + number, number),
            object_id="theirs-versions",
            control_version=True,
            workflow_id="theirs-w",
        )
    db.save_or_update_object(b"old", object_id="theirs-moved-out", save_data_in_collection=True)
    db.save_or_update_object(b"new out of line", object_id="theirs-moved-out")
    db.save_or_update_object(b"old out of line", object_id="theirs-moved-in")
    db.save_or_update_object(b"new", object_id="theirs-moved-in", save_data_in_collection=True)
    db.save_or_update_torch_model(model(), object_id="theirs-model")
    return {}


def read() -> dict[str, Any]:
    db = Flowcept.db
    blobs: dict[str, Any] = {}
    for object_id in ("ours-small", "ours-large", "ours-empty", "ours-versions"):
        blob = db.get_blob_object(object_id)
        fields = {name: value for name, value in vars(blob).items() if isinstance(value, str | int | list | dict)}
        blobs[object_id] = {"data": base64.b64encode(bytes(blob.data)).decode(), "fields": fields}
    loaded = model()
    for parameter in loaded.parameters():
        torch.nn.init.zeros_(parameter)
    document = db.load_torch_model(loaded, "ours-model")
    workflow = db.get_workflow_object("ours-w")
    assert workflow is not None
    return {
        "blobs": blobs,
        "versions": [
            base64.b64encode(bytes(db.get_blob_object("ours-versions", version=n).data)).decode() for n in range(3)
        ],
        "history": [
            [row["version"], row["prev_version"], row["object_size_bytes"], row["data_sha256"], row["storage_type"]]
            for row in db.get_object_history("ours-versions")
        ],
        "fingerprints": {name: db.get_blob_fingerprint(name) for name in ("ours-small", "ours-large")},
        "equal": db.blob_objects_equal("ours-versions", "ours-versions", version_a=0, version_b=1),
        "weights": [parameter.flatten().tolist() for parameter in loaded.parameters()],
        "model_class": document["custom_metadata"]["class"],
        "workflow": {"name": workflow.name, "campaign_id": workflow.campaign_id, "used": workflow.used},
        "tasks": [
            {name: task[name] for name in ("task_id", "activity_id", "used", "generated", "status")}
            for task in db.task_query({"workflow_id": "ours-w"}, sort=[("task_id", 1)])
        ],
    }


if __name__ == "__main__":
    answer = {"write": write, "read": read}[sys.argv[1]]()
    sys.stdout.write(f"ANSWER {json.dumps(answer)}\n")
