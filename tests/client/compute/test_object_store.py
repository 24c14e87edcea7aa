"""Objects under a name: in cluster memory where that keeps them, else as artifacts of a real service."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from flowcept import Flowcept
from flowcept.compute.artifacts import Artifact, get_artifact, list_artifacts
from flowcept.compute.cluster_memory import ClusterMemory, ClusterMemoryError, get_cluster_memory
from flowcept.compute.object_store import Strategy, default_load_hook, default_save_hook, delete, exists, get, put
from flowcept.errors import InvalidArgumentError, PreconditionError
from tests.client.compute.conftest import WhenLookedUp


@pytest.fixture
def memory() -> ClusterMemory:
    """The memory that the object store uses here."""
    return get_cluster_memory()


@pytest.fixture
def full_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A memory that has no room for what is put."""

    def refuse(*_: Any, **__: Any) -> None:
        raise ClusterMemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr("flowcept.compute.cluster_memory._local.LocalClusterMemory.put", refuse)
        yield


def test_an_object_goes_to_cluster_memory(memory: ClusterMemory, namespace: str) -> None:
    put("key", {"a": 1}, namespace=namespace)

    assert memory.get("key", namespace=namespace) == {"a": 1}
    assert get("key", namespace=namespace) == {"a": 1}
    assert list_artifacts(namespace) == []


@pytest.mark.usefixtures("full_memory")
def test_an_object_that_memory_cannot_keep_goes_to_an_artifact(memory: ClusterMemory, namespace: str) -> None:
    put("key", {"a": 1}, namespace=namespace)

    assert not memory.exists("key", namespace=namespace)
    assert get("key", namespace=namespace) == {"a": 1}
    assert get("key", namespace=namespace, artifact_only=True) == {"a": 1}


def test_an_old_object_in_memory_does_not_hide_a_new_one(
    memory: ClusterMemory, namespace: str, request: pytest.FixtureRequest
) -> None:
    put("key", "old", namespace=namespace)
    request.getfixturevalue("full_memory")

    put("key", "new", namespace=namespace)

    assert get("key", namespace=namespace) == "new"


@pytest.mark.usefixtures("full_memory")
def test_only_cluster_memory_means_only_that(namespace: str) -> None:
    with pytest.raises(ClusterMemoryError):
        put("key", 1, namespace=namespace, strategy="cluster_memory")

    assert list_artifacts(namespace) == []
    with pytest.raises(KeyError):
        get("key", namespace=namespace, strategy=Strategy.CLUSTER_MEMORY)


@pytest.mark.parametrize("only", [{"artifact_only": True}, {"strategy": "artifact"}])
def test_only_artifacts_means_only_these(only: dict[str, Any], memory: ClusterMemory, namespace: str) -> None:
    put("key", 1, namespace=namespace, **only)
    assert not memory.exists("key", namespace=namespace)

    memory.put("key", 2, namespace=namespace)
    assert get("key", namespace=namespace, **only) == 1
    delete("key", namespace=namespace, **only)

    assert not exists("key", namespace=namespace, **only)
    assert exists("key", namespace=namespace)


def test_delete_deletes_what_get_would_find(namespace: str) -> None:
    put("key", "in an artifact", namespace=namespace, artifact_only=True)
    put("key", "in memory", namespace=namespace)

    delete("key", namespace=namespace)
    assert get("key", namespace=namespace) == "in an artifact"
    delete("key", namespace=namespace)
    assert not exists("key", namespace=namespace)


@pytest.mark.parametrize("use", [get, delete])
def test_what_is_not_there_is_not_found(use: Any, namespace: str) -> None:
    with pytest.raises(FileNotFoundError, match="'key'"):
        use("key", namespace=namespace)


def test_an_object_that_cannot_be_serialized_leaves_nothing(namespace: str) -> None:
    with pytest.raises(InvalidArgumentError, match="function cannot be pickled"):
        put("key", lambda: None, namespace=namespace)

    assert list_artifacts(namespace) == []
    assert Flowcept.db.blob_object_query({"custom_metadata.namespace": namespace}) == []


def test_an_object_that_cannot_be_serialized_leaves_the_old_one(namespace: str) -> None:
    put("key", "old", namespace=namespace, artifact_only=True)

    with pytest.raises(InvalidArgumentError):
        put("key", lambda: None, namespace=namespace, artifact_only=True)

    assert get("key", namespace=namespace) == "old"


def test_an_object_that_cannot_be_serialized_leaves_what_another_program_puts_meanwhile(namespace: str) -> None:
    def overtaken(_: Artifact, value: Any) -> None:
        put("key", "of another program", namespace=namespace, artifact_only=True)
        raise InvalidArgumentError(f"{value!r} cannot be serialized")

    with pytest.raises(InvalidArgumentError, match="'mine' cannot be serialized"):
        put("key", "mine", namespace=namespace, artifact_only=True, save_artifact_hook=overtaken)

    assert get("key", namespace=namespace) == "of another program"


def test_a_hook_that_fails_leaves_nothing_of_its_transaction(namespace: str) -> None:
    def save_and_fail(artifact: Artifact, value: Any) -> None:
        with artifact.transaction():
            artifact.new_file("file", value)
            artifact["key"] = "value"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        put("key", b"value", namespace=namespace, artifact_only=True, save_artifact_hook=save_and_fail)

    assert Flowcept.db.blob_object_query({"custom_metadata.namespace": namespace}) == []


def test_json_is_read_by_other_languages_too(namespace: str) -> None:
    put(
        "key",
        {"a": [1, None, "ü"]},
        namespace=namespace,
        artifact_only=True,
        save_artifact_hook=default_save_hook("json"),
    )

    content = get_artifact("key", namespace).get_file("object").read()
    assert json.loads(content) == {"a": [1, None, "ü"]}
    assert get("key", namespace=namespace) == {"a": [1, None, "ü"]}


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), b"bytes"])
def test_what_json_cannot_hold_is_refused(value: Any, namespace: str) -> None:
    with pytest.raises(InvalidArgumentError, match="written as JSON"):
        put("key", value, namespace=namespace, artifact_only=True, save_artifact_hook=default_save_hook("json"))

    assert list_artifacts(namespace) == []


def test_nothing_is_unpickled_for_a_caller_that_wants_json(namespace: str, tmp_path: Path) -> None:
    put("key", Trap(tmp_path / "sprung"), namespace=namespace, artifact_only=True)

    with pytest.raises(PreconditionError, match="written with serializer 'pickle'"):
        get("key", namespace=namespace, load_artifact_hook=default_load_hook("json"))

    assert not (tmp_path / "sprung").exists()


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_an_object_is_read_with_the_serializer_of_its_own_version(namespace: str, when_looked_up: WhenLookedUp) -> None:
    others = cycle([("json", {"b": 2}), ("pickle", {"a": 1})])

    def another_program_puts() -> None:
        serializer, value = next(others)
        hook = default_save_hook(serializer)
        put("key", value, namespace=namespace, artifact_only=True, save_artifact_hook=hook)

    put("key", {"a": 1}, namespace=namespace, artifact_only=True)
    when_looked_up(get_artifact("key", namespace).get_file("object").path, another_program_puts)

    assert get("key", namespace=namespace) in ({"a": 1}, {"b": 2})


def test_any_serializer_may_be_used(namespace: str) -> None:
    put(
        "key",
        lambda: "called",
        namespace=namespace,
        artifact_only=True,
        save_artifact_hook=default_save_hook(cloudpickle),
    )

    with pytest.raises(InvalidArgumentError, match="'cloudpickle'"):
        get("key", namespace=namespace)
    assert get("key", namespace=namespace, load_artifact_hook=default_load_hook(cloudpickle))() == "called"


def test_hooks_decide_what_the_artifact_holds(namespace: str) -> None:
    def save(artifact: Artifact, value: Any) -> None:
        for name, part in value.items():
            artifact.new_file(name, part)

    def load(artifact: Artifact) -> Any:
        return {file.name: file.read() for file in artifact.list_files()}

    put("key", {"a": "1", "b": b"2"}, namespace=namespace, artifact_only=True, save_artifact_hook=save)

    assert get("key", namespace=namespace, load_artifact_hook=load) == {"a": "1", "b": b"2"}


def test_hooks_may_use_metadata_alone(namespace: str) -> None:
    def save(artifact: Artifact, value: Any) -> None:
        assert (artifact.metadata, artifact.list_files()) == ({}, [])
        for name, part in value.items():
            artifact[name] = part

    value = {"a": "1", "b": "2"}
    put("key", value, namespace=namespace, artifact_only=True, save_artifact_hook=save)

    assert get("key", namespace=namespace, load_artifact_hook=lambda artifact: artifact.metadata) == value


def test_a_hook_that_keeps_nothing_makes_an_empty_artifact(namespace: str) -> None:
    put("key", None, namespace=namespace, artifact_only=True, save_artifact_hook=lambda artifact, value: None)

    assert get("key", namespace=namespace, load_artifact_hook=lambda artifact: artifact.is_empty)


def test_wrong_arguments_are_refused(namespace: str) -> None:
    with pytest.raises(InvalidArgumentError, match="strategy is 'disk'; use one of fallback, artifact, cluster_memory"):
        put("key", 1, namespace=namespace, strategy="disk")
    with pytest.raises(InvalidArgumentError, match="serializer is 'yaml'; use one of pickle, json"):
        default_save_hook("yaml")
    with pytest.raises(InvalidArgumentError, match="artifact name"):
        put("a/b", 1, namespace=namespace, artifact_only=True)


def test_pickles_are_read_without_this_library(namespace: str) -> None:
    put("key", [1, 2], namespace=namespace, artifact_only=True)

    assert pickle.loads(get_artifact("key", namespace).get_file("object").read()) == [1, 2]
