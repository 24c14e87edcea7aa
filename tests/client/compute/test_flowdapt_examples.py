"""The examples of Flowdapt's documentation of its object storage, as they stand there."""

from __future__ import annotations

import uuid

import numpy as np
import pandas as pd
import pytest
from flowdapt.compute.artifacts import get_artifact, new_artifact
from flowdapt.compute.cluster_memory import get_cluster_memory
from flowdapt.compute.object_store import delete, get, put


@pytest.fixture(autouse=True)
def own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples name no namespace, and tests share a service."""
    own = f"namespace-{uuid.uuid4()}"
    for function in (put, get, delete, get_artifact, new_artifact):
        defaults = function.__kwdefaults__ or {}
        if "namespace" in defaults:
            monkeypatch.setitem(defaults, "namespace", own)
        else:
            monkeypatch.setattr(function, "__defaults__", (own,))


def test_object_store() -> None:
    # Create the dataframe
    df = pd.DataFrame(np.random.default_rng().random((10, 100)))

    # Put the object in the Object Store (Cluster Memory, high performance) and name it "my_dataframe"
    # to be retrieved in any subsequent stage/workflow
    put("my_dataframe", df)

    # Persist the object to distributed storage (Artifacts) for full persistence
    put("my_dataframe", df, artifact_only=True)

    # Get the object from the Object Store (Cluster Memory, high performance) using the
    # name "my_dataframe"
    pd.testing.assert_frame_equal(get("my_dataframe"), df)

    # Get the object from distributed storage (Artifacts)
    pd.testing.assert_frame_equal(get("my_dataframe", artifact_only=True), df)

    # Delete the object, if desired, from the Object Store (Cluster Memory)
    delete("my_dataframe")

    # Delete the object, if desired, from distributed storage (Artifacts)
    delete("my_dataframe", artifact_only=True)

    with pytest.raises(FileNotFoundError, match="my_dataframe"):
        get("my_dataframe")


def test_cluster_memory() -> None:
    # Get the current ClusterMemory
    cluster_memory = get_cluster_memory()
    # Add the cities_list to the memory
    cluster_memory.put("cities_list", ["St. Louis", "Moab", "Los Angeles"])

    cluster_memory = get_cluster_memory()
    cities_list = cluster_memory.get("cities_list")

    assert cities_list == ["St. Louis", "Moab", "Los Angeles"]


def test_artifacts() -> None:
    # Create a new artifact
    artifact = new_artifact("my_artifact")

    # Add a new file to the artifact and write some content to it
    file = artifact.new_file("my_file", content="Hello, World!")

    # Read from the file
    content = file.read()
    assert content == "Hello, World!"

    # Get an artifact by name
    artifact = get_artifact("my_artifact")

    # Get a reference to a file
    file = artifact.get_file("my_file")

    # Read the file
    content = file.read()
    assert content == "Hello, World!"

    # Now that we have the info, delete the file
    file.remove()

    # We can even delete the entire artifact too
    assert artifact.is_empty
    if artifact.is_empty:
        artifact.delete()
    assert not artifact.exists


def test_artifact_metadata() -> None:
    # Create a new artifact
    artifact = new_artifact("my_new_artifact")

    # Set metadata
    artifact.set_meta("created_by", "my_username")
    artifact.set_meta("creation_date", "2023-05-26")

    # Get metadata
    created_by = artifact.get_meta("created_by")
    creation_date = artifact.get_meta("creation_date")
    assert (created_by, creation_date) == ("my_username", "2023-05-26")

    # Delete metadata
    artifact.del_meta("created_by")
    assert artifact.get_meta("created_by") is None

    # Use as dictionary
    artifact["created_by"] = "my_username"
    artifact["creation_date"] = "2023-05-26"

    created_by = artifact["created_by"]
    assert created_by == "my_username"
