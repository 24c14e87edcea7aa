"""The examples of Flowcept's documentation of blob data, as they stand there."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from flowcept import BlobObject, Flowcept


@pytest.fixture(autouse=True)
def user(configured: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of the library: the only thing to say is where the service is."""
    monkeypatch.chdir(tmp_path)


def test_store_bytes_and_linkage_fields_then_update_them() -> None:
    with Flowcept(workflow_name="blob_demo"):
        # Any bytes payload (file bytes, serialized artifact, etc.)
        payload = b"hello-blob"

        obj_id = Flowcept.db.save_or_update_object(
            object=payload,
            task_id="task_demo_001",
            type="artifact",
            custom_metadata={"mime_type": "application/octet-stream", "source": "demo"},
            save_data_in_collection=True,  # keep bytes in-object (`data` field)
            control_version=True,
        )

        doc = Flowcept.db.get_blob_object(obj_id)
        assert doc.workflow_id == Flowcept.current_workflow_id
        assert doc.task_id == "task_demo_001"
        assert doc.custom_metadata is not None
        assert doc.custom_metadata["source"] == "demo"
        assert doc.version == 0

    # Reuse object_id to update the same object record
    Flowcept.db.save_or_update_object(
        object=b"hello-blob-v2",
        object_id=obj_id,
        task_id="task_demo_001",
        type="artifact",
        custom_metadata={"note": "updated content"},
        save_data_in_collection=True,
        control_version=True,
    )

    # version is now incremented by the DB update
    updated = Flowcept.db.get_blob_object(obj_id)
    assert updated.version == 1
    assert Flowcept.db.get_blob_object(obj_id, version=0).data == b"hello-blob"


def test_save_a_dataset_snapshot() -> None:
    x_train, y_train, x_val, y_val = [[1.0], [2.0]], [0, 1], [[3.0]], [1]
    with Flowcept(workflow_name="dataset_blob_demo"):
        ds_id = Flowcept.db.save_or_update_dataset(
            object={
                "x_train": x_train,
                "y_train": y_train,
                "x_val": x_val,
                "y_val": y_val,
            },
            task_id="prepare_data_001",
            custom_metadata={"split_ratio": 0.8, "n_samples": 120},
            save_data_in_collection=True,
            pickle=True,
            control_version=True,
        )

        ds_blob = Flowcept.db.get_dataset(ds_id)
        assert ds_blob.type == "dataset"
        assert ds_blob.task_id == "prepare_data_001"
        assert isinstance(ds_blob, BlobObject)
        assert ds_blob.unpickle()["y_val"] == y_val


def test_save_and_load_a_torch_model() -> None:
    with Flowcept(workflow_name="torch_blob_demo"):
        wf_id = Flowcept.current_workflow_id
        model = nn.Module()

        model_obj_id = Flowcept.db.save_or_update_torch_model(
            model,
            workflow_id=wf_id,
            task_id="train_task_001",
            custom_metadata={"stage": "best_model", "metric": "val_loss"},
        )

        loaded = nn.Module()
        model_doc = Flowcept.db.load_torch_model(loaded, model_obj_id)
        assert model_doc["workflow_id"] == wf_id
        assert model_doc["task_id"] == "train_task_001"


def test_a_workflow_given_by_name_goes_before_the_running_one() -> None:
    with Flowcept(workflow_name="outer"):
        obj_id = Flowcept.db.save_or_update_object(b"x", workflow_id="another")
    assert Flowcept.db.get_blob_object(obj_id).workflow_id == "another"
