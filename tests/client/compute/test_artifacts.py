"""Artifacts: containers of files and metadata, kept by a real service."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flowcept import Flowcept
from flowcept.compute.artifacts import (
    Artifact,
    ArtifactExistsError,
    ArtifactNotFoundError,
    artifact_exists,
    get_artifact,
    list_artifacts,
    new_artifact,
)
from flowcept.errors import InvalidArgumentError, PreconditionError
from tests.client.compute.conftest import names
from tests.client.conftest import Connect


def test_a_new_artifact_is_empty_and_exists(artifact: Artifact, namespace: str) -> None:
    assert artifact_exists("report", namespace)
    assert artifact.exists
    assert artifact.is_empty
    assert artifact.metadata == {}


def test_an_artifact_is_made_once(artifact: Artifact, namespace: str) -> None:
    artifact["kept"] = "yes"

    with pytest.raises(ArtifactExistsError, match="get_artifact"):
        new_artifact("report", namespace)

    assert artifact["kept"] == "yes"


def test_an_artifact_that_is_not_there_is_not_found(namespace: str) -> None:
    with pytest.raises(ArtifactNotFoundError, match="list_artifacts"):
        get_artifact("nothing", namespace)


def test_get_makes_an_artifact_when_asked_to(namespace: str) -> None:
    get_artifact("report", namespace, create=True)["kept"] = "yes"

    assert get_artifact("report", namespace, create=True)["kept"] == "yes"


def test_artifacts_are_listed_by_namespace(artifact: Artifact, namespace: str) -> None:
    artifact.new_file("a file is no artifact")
    new_artifact("another", namespace)
    new_artifact("elsewhere", f"{namespace}-2")

    assert [each.name for each in list_artifacts(namespace)] == ["another", "report"]


@pytest.mark.parametrize("name", ["", ".", "../up", "with/slash", "with space", "nul\0", ".hidden", 5])
def test_a_name_that_is_none_is_refused(name: Any, namespace: str) -> None:
    with pytest.raises(InvalidArgumentError, match="artifact name"):
        new_artifact(name, namespace)
    with pytest.raises(InvalidArgumentError, match="namespace"):
        new_artifact("report", name)

    assert list_artifacts(namespace) == []


@pytest.mark.parametrize(
    "change", [lambda artifact: artifact["missing"], lambda artifact: artifact.del_meta("missing")]
)
def test_metadata_that_is_not_there_is_a_key_error(change: Callable[[Artifact], object], artifact: Artifact) -> None:
    with pytest.raises(KeyError, match="missing"):
        change(artifact)


def test_metadata_are_the_items_of_a_dictionary(artifact: Artifact) -> None:
    artifact["a"], artifact["b"] = "1", "2"
    del artifact["a"]

    assert "b" in artifact
    assert "a" not in artifact
    assert list(artifact) == ["b"]
    assert artifact.get_meta("a", "default") == "default"


@pytest.mark.parametrize(
    ("key", "value"), [(1, "value"), ("key", 1), ("key", None), ("\ud800", "value"), ("key", "\ud800")]
)
def test_metadata_are_strings(key: Any, value: Any, artifact: Artifact) -> None:
    with pytest.raises(InvalidArgumentError, match=r"metadata (key|value) is .*; it must be (a string|valid Unicode)"):
        artifact.set_meta(key, value)

    assert artifact.metadata == {}


def test_metadata_set_by_several_programs_at_once_all_arrive(artifact: Artifact) -> None:
    keys = [str(number) for number in range(16)]

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: artifact.set_meta(key, f"value of {key}"), keys))

    assert artifact.metadata == {key: f"value of {key}" for key in keys}


def test_clear_leaves_an_empty_artifact(artifact: Artifact) -> None:
    artifact["key"] = "value"
    artifact.new_file("file", "text")

    artifact.clear()

    assert (artifact.exists, artifact.is_empty, artifact.metadata) == (True, True, {})


def test_delete_removes_all_that_it_holds(artifact: Artifact, namespace: str) -> None:
    file = artifact.new_file("file", "text")

    artifact.delete()

    assert list_artifacts(namespace) == []
    with pytest.raises(ArtifactNotFoundError):
        file.read()
    for use in (artifact.delete, artifact.list_files, lambda: artifact.new_file("file", "text")):
        with pytest.raises(FileNotFoundError, match="any more"):
            use()
    assert Flowcept.db.blob_object_query({"custom_metadata.namespace": namespace}) == []


def test_a_deletion_that_was_interrupted_is_repeated(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        artifact.new_file(name, "text")
    with monkeypatch.context() as patch:
        delete = Flowcept.db.delete_object

        def stops_at_b(object_id: str) -> object:
            if object_id.endswith("/b"):
                raise KeyboardInterrupt
            return delete(object_id)

        patch.setattr(Flowcept.db, "delete_object", stops_at_b)
        with pytest.raises(KeyboardInterrupt):
            artifact.delete()

    assert names(artifact) == ["b", "c"]
    artifact.delete()
    assert not artifact.exists


def test_a_transaction_changes_everything_at_its_end(artifact: Artifact) -> None:
    artifact.new_file("old", "text")

    with artifact.transaction():
        artifact.new_file("new", "text")
        with artifact.open("written", "w") as file:
            file.write("text")
        artifact["key"] = "value"
        artifact.get_file("old").remove()
        assert names(artifact) == ["old"]
        assert artifact.metadata == {}

    assert names(artifact) == ["new", "written"]
    assert artifact["key"] == "value"


def test_a_transaction_that_fails_changes_nothing(artifact: Artifact) -> None:
    artifact.new_file("old", "text")

    def change_and_fail() -> None:
        with artifact.transaction():
            artifact.new_file("new", "text")
            with artifact.open("written", "w") as file:
                file.write("text")
            artifact.delete()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()

    assert names(artifact) == ["old"]
    artifact.new_file("after", "changes are made at once again")
    assert names(artifact) == ["after", "old"]


def test_transactions_are_not_nested(artifact: Artifact) -> None:
    with artifact.transaction(), pytest.raises(PreconditionError, match="nested"), artifact.transaction():
        pass


def test_another_service_may_keep_them(service: str, connect: Connect, namespace: str) -> None:
    db = connect(service)
    new_artifact("report", namespace, db=db).new_file("file", "text")

    assert get_artifact("report", namespace, db=db).get_file("file").read() == "text"
    assert [each.name for each in list_artifacts(namespace, db=db)] == ["report"]
