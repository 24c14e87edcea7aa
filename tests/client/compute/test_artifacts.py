"""Artifacts: containers of files and metadata, kept by a real service."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
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
from flowcept.errors import InvalidArgumentError, NotFoundError, PreconditionError
from tests.client.compute.conftest import WhenLookedUp
from tests.client.conftest import Connect


@pytest.fixture
def artifact(namespace: str) -> Artifact:
    return new_artifact("report", namespace)


def names(artifact: Artifact) -> list[str]:
    return [file.name for file in artifact.list_files()]


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
    ("content", "read"),
    [
        ("Grüße\r\n", "Grüße\r\n"),
        ("", ""),
        (b"\x80\xff", b"\x80\xff"),
        (bytearray(b"abc"), b"abc"),
        (io.BytesIO(b"from a file"), b"from a file"),
        (iter([b"in ", b"pieces"]), b"in pieces"),
        (None, b""),
    ],
)
def test_what_is_read_is_what_was_written(content: Any, read: str | bytes, artifact: Artifact) -> None:
    file = artifact.new_file("file", content)

    assert file.read() == read
    assert artifact.get_file("file").read() == read


def test_the_content_may_come_from_a_path(artifact: Artifact, tmp_path: Path) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(b"from a path")

    assert artifact.new_file("file", source).read() == b"from a path"


def test_text_may_be_read_as_bytes_and_in_part(artifact: Artifact) -> None:
    file = artifact.new_file("file", "Grüße")

    assert file.read(mode="rb") == "Grüße".encode()
    assert file.read(3) == "Grü"


def test_bytes_may_be_read_as_text(artifact: Artifact) -> None:
    assert artifact.new_file("file", "Grüße".encode()).read(mode="r") == "Grüße"


def test_a_file_that_exists_gets_new_content_unless_it_must_be_new(artifact: Artifact) -> None:
    artifact.new_file("file", "old")

    assert artifact.new_file("file").read() == "old"
    assert artifact.new_file("file", "new").read() == "new"
    with pytest.raises(ArtifactExistsError, match="exist_ok"):
        artifact.new_file("file", "newer", exist_ok=False)
    assert artifact.get_file("file").read() == "new"


def test_files_are_listed_in_order_without_that_of_the_metadata(artifact: Artifact) -> None:
    artifact["key"] = "value"
    for name in ("b", "a", "folder/c d"):
        artifact.new_file(name)

    assert names(artifact) == ["a", "b", "folder/c d"]
    assert not artifact.is_empty


@pytest.mark.parametrize(
    "use",
    [
        lambda artifact: artifact.exists,
        lambda artifact: artifact.has_file("file"),
        lambda artifact: artifact.get_file("file"),
        lambda artifact: artifact.new_file("another"),
        Artifact.list_files,
        Artifact.delete,
    ],
)
def test_nothing_is_fetched_to_see_what_exists(
    use: Callable[[Artifact], object], artifact: Artifact, when_looked_up: WhenLookedUp
) -> None:
    looked_up: list[str] = []
    for path in (artifact.new_file("file", "text").path, f"{artifact.path}/.artifact.json"):
        when_looked_up(path, partial(looked_up.append, path))

    use(artifact)

    assert looked_up == []


def test_a_file_that_is_not_there_is_not_found(artifact: Artifact) -> None:
    assert not artifact.has_file("file")
    with pytest.raises(FileNotFoundError, match="create=True"):
        artifact.get_file("file")
    with pytest.raises(FileNotFoundError):
        artifact.delete_file("file")
    assert artifact.get_file("file", create=True).read() == b""


@pytest.mark.parametrize("name", ["", "nul\0", "\ud800", 5])
def test_a_file_name_that_is_none_is_refused(name: Any, artifact: Artifact) -> None:
    with pytest.raises(InvalidArgumentError, match="file name"):
        artifact.new_file(name)


def test_a_file_that_went_is_not_found_when_it_is_read(artifact: Artifact) -> None:
    file = artifact.new_file("file", "text")
    artifact.delete_file("file")
    file.remove()  # a second time is fine

    with pytest.raises(ArtifactNotFoundError, match="'file'"):
        file.read()


def test_files_are_written_and_read_as_file_objects(artifact: Artifact) -> None:
    with artifact.open("table.csv", "w") as file:
        file.write("a,b\r\n")
        file.write("ä,ö\r\n")

    with artifact.get_file("table.csv").open() as file:
        assert file.readlines() == ["a,b\r\n", "ä,ö\r\n"]
    with artifact.open("table.csv", "rb") as file:
        file.seek(3)
        assert file.read(2) == b"\r\n"


def test_a_large_file_is_read_by_ranges(artifact: Artifact) -> None:
    large = bytes(range(256)) * (40 << 10)  # more than is held in memory while it is written
    with artifact.open("large", "wb") as file:
        file.write(large)

    with artifact.open("large", "rb") as file:
        file.seek(5 << 20)
        assert file.read(300) == large[5 << 20 :][:300]
    assert artifact.get_file("large").read() == large


def test_a_block_that_fails_writes_nothing(artifact: Artifact) -> None:
    artifact.new_file("file", "old")

    def write_and_fail() -> None:
        with artifact.open("file", "w") as file:
            file.write("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()

    assert artifact.get_file("file").read() == "old"


def test_a_file_that_is_replaced_while_it_is_read_is_read_anew(
    artifact: Artifact, when_looked_up: WhenLookedUp
) -> None:
    file = artifact.new_file("file", bytes(200_000))  # too much to come along when it is looked up
    others = iter([b"x" * 300_000])

    def another_program_writes() -> None:
        for other in others:
            file.write(other)

    when_looked_up(file.path, another_program_writes)

    assert file.read() == b"x" * 300_000


def test_a_file_that_goes_while_it_is_read_is_not_found(artifact: Artifact, when_looked_up: WhenLookedUp) -> None:
    file = artifact.new_file("file", bytes(200_000))
    when_looked_up(file.path, file.remove)

    with pytest.raises(ArtifactNotFoundError, match="has no file 'file'"):
        file.read()


def test_an_open_file_that_is_replaced_never_mixes_both(artifact: Artifact) -> None:
    file = artifact.new_file("file", bytes(200_000))

    with file.open("rb") as old:
        file.write(b"x" * 200_000)
        with pytest.raises(NotFoundError):
            old.read()


def test_content_and_attributes_are_loaded_together(artifact: Artifact) -> None:
    file = artifact.new_file("file")
    file.write(b"1 2 3", {"separator": " "})

    assert file.load(lambda content, attributes: content.read().split(attributes["separator"].encode())) == [
        b"1",
        b"2",
        b"3",
    ]


def test_what_is_missing_elsewhere_is_not_looked_for_again(artifact: Artifact) -> None:
    def read(*_: Any) -> None:
        raise NotFoundError("something else")

    with pytest.raises(NotFoundError, match="something else"):
        artifact.new_file("file").load(read)


def test_an_unknown_mode_is_refused(artifact: Artifact) -> None:
    with pytest.raises(InvalidArgumentError, match=r"mode is 'a'.*wb"), artifact.open("file", "a"):
        pass
    with pytest.raises(InvalidArgumentError, match="mode is 'w'"):
        artifact.new_file("file").read(mode="w")


def test_attributes_are_kept_with_the_content(artifact: Artifact) -> None:
    file = artifact.new_file("file")
    assert file.attributes == {}

    file.write("text", {"schema": 3, "namespace": "the user's own"})

    assert file.attributes == {"schema": 3, "namespace": "the user's own"}
    assert names(artifact) == ["file"]


def test_files_are_objects_of_the_service(artifact: Artifact) -> None:
    with Flowcept(workflow_name="maker"):
        file = artifact.new_file("file", "text")
        workflow_id = Flowcept.current_workflow_id

    blob = Flowcept.db.get_blob_object(file.path)

    assert (blob.type, blob.workflow_id, blob.data) == ("artifact", workflow_id, b"text")


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
