"""Files of artifacts: read, written and replaced as a whole."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flowcept import Flowcept
from flowcept.compute.artifacts import (
    Artifact,
    ArtifactExistsError,
    ArtifactNotFoundError,
)
from flowcept.errors import InvalidArgumentError, NotFoundError
from tests.client.compute.conftest import WhenLookedUp, names


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
