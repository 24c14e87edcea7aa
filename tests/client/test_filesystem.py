"""Objects as files: fsspec's own suite for file systems, and what is ours, against a real service."""

from __future__ import annotations

import gc
import io
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import dask.bag
import fsspec
import pandas as pd
import pytest
import torch
from fsspec.callbacks import Callback
from fsspec.tests import abstract
from torch.distributed.checkpoint._fsspec_filesystem import FsspecReader, FsspecWriter  # its only place
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from flowcept import Flowcept
from flowcept.errors import InvalidArgumentError, PreconditionError
from flowcept.filesystem import FlowceptFileSystem
from tests.support.server import service_in_process

pytestmark = pytest.mark.usefixtures("configured")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of its own: so many objects would be in the way of tests that list some."""
    with service_in_process(tmp_path_factory.mktemp("service")) as running:
        yield running.target


@pytest.fixture
def fs() -> FlowceptFileSystem:
    file_system = fsspec.filesystem("flowcept")
    assert isinstance(file_system, FlowceptFileSystem)
    return file_system


@pytest.fixture
def directory() -> str:
    """A directory that no other test uses."""
    return f"directory-{uuid.uuid4()}"


class Fixtures(abstract.AbstractFixtures):  # type: ignore[misc]  # fsspec is untyped
    """What fsspec's suite wants to know."""

    @pytest.fixture
    def fs(self, fs: FlowceptFileSystem) -> FlowceptFileSystem:
        return fs

    @pytest.fixture
    def fs_path(self, directory: str) -> str:
        return directory

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return lambda *parts: "/".join(parts)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(abstract.AbstractCopyTests, Fixtures):  # type: ignore[misc]
    """fsspec's suite of copying within a file system."""


class TestGet(abstract.AbstractGetTests, Fixtures):  # type: ignore[misc]
    """fsspec's suite of downloading."""


class TestPut(abstract.AbstractPutTests, Fixtures):  # type: ignore[misc]
    """fsspec's suite of uploading."""


class TestPipe(abstract.AbstractPipeTests, Fixtures):  # type: ignore[misc]
    """fsspec's suite of reading and writing whole files."""


class TestOpen(abstract.AbstractOpenTests, Fixtures):  # type: ignore[misc]
    """fsspec's suite of opening files."""


def test_an_object_is_a_file_by_its_identifier(fs: FlowceptFileSystem, directory: str) -> None:
    Flowcept.db.save_or_update_object(b"abc", object_id=f"{directory}/file")

    with fs.open(f"flowcept://{directory}/file") as file:
        assert file.read() == b"abc"


def test_a_file_is_an_object(fs: FlowceptFileSystem, directory: str) -> None:
    with fs.open(f"{directory}/file", "wb", type="dataset", custom_metadata={"rows": 3}, control_version=True) as file:
        file.write(b"abc")

    blob = Flowcept.db.get_blob_object(f"{directory}/file")
    assert (blob.data, blob.type, blob.custom_metadata, blob.control_version) == (b"abc", "dataset", {"rows": 3}, True)


def test_pandas_reads_and_writes_urls(directory: str) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "ü"]})

    frame.to_parquet(f"flowcept://{directory}/frame.parquet")
    frame.to_csv(f"flowcept://{directory}/frame.csv", index=False)

    pd.testing.assert_frame_equal(pd.read_parquet(f"flowcept://{directory}/frame.parquet"), frame)
    pd.testing.assert_frame_equal(pd.read_csv(f"flowcept://{directory}/frame.csv"), frame)


def test_torch_saves_and_loads_through_it(fs: FlowceptFileSystem, directory: str) -> None:
    state = {"weight": torch.arange(6.0).reshape(2, 3)}

    with fs.open(f"{directory}/state.pt", "wb") as file:
        torch.save(state, file)
    with fs.open(f"{directory}/state.pt") as file:
        loaded = torch.load(file, weights_only=True)

    assert torch.equal(loaded["weight"], state["weight"])


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")  # one process is what is wanted here
def test_torch_keeps_distributed_checkpoints_in_it(directory: str) -> None:
    saved = {"model": {"weight": torch.arange(6.0).reshape(2, 3)}, "step": 5}
    loaded = {"model": {"weight": torch.zeros(2, 3)}, "step": 0}

    save(saved, storage_writer=FsspecWriter(f"flowcept://{directory}"), no_dist=True)
    load(loaded, storage_reader=FsspecReader(f"flowcept://{directory}"), no_dist=True)

    assert loaded["step"] == 5
    assert torch.equal(loaded["model"]["weight"], saved["model"]["weight"])  # type: ignore[index]


def test_dask_reads_many_files_by_a_pattern(fs: FlowceptFileSystem, directory: str) -> None:
    for name in ("a", "b"):
        fs.pipe_file(f"{directory}/{name}.txt", f"{name}\n".encode())

    lines = dask.bag.read_text(f"flowcept://{directory}/*.txt").compute(scheduler="synchronous")

    assert lines == ["a\n", "b\n"]


def test_a_url_may_name_another_service(service: str, directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWCEPT_TARGET", "127.0.0.1:1")
    Flowcept.db.close()

    with fsspec.open(f"flowcept://{directory}/file", "w", target=service, settings={"timeout": 20}) as file:
        file.write("text")

    with fsspec.open(f"flowcept://{directory}/file", "r", target=service, settings={"timeout": 20}) as file:
        assert file.read() == "text"


def test_directories_are_what_stands_before_a_slash(fs: FlowceptFileSystem, directory: str) -> None:
    for name in ("b", "a/c", "a/d/e", "a.txt"):
        fs.touch(f"{directory}/{name}")

    assert fs.ls(directory, detail=False) == [f"{directory}/{name}" for name in ("a", "a.txt", "b")]
    assert fs.ls(f"{directory}/a/", detail=False) == [f"{directory}/a/c", f"{directory}/a/d"]
    assert fs.find(directory) == [f"{directory}/{name}" for name in ("a.txt", "a/c", "a/d/e", "b")]
    assert fs.isdir(f"{directory}/a")
    assert fs.isfile(f"{directory}/a/c")
    assert directory in fs.ls("", detail=False)


def test_a_file_tells_what_is_known_about_it(fs: FlowceptFileSystem, directory: str) -> None:
    path = f"{directory}/file"
    fs.pipe_file(path, b"abc")

    info = fs.info(path)

    blob = Flowcept.db.get_blob_object(path)
    assert (info["name"], info["size"], info["type"], info["version"]) == (path, 3, "file", 0)
    assert fs.created(path) == blob.created_at
    assert fs.modified(path) == blob.updated_at
    assert fs.checksum(path) == fs.ukey(path) == blob.data_sha256


def test_earlier_versions_are_read_by_their_number(fs: FlowceptFileSystem, directory: str) -> None:
    path = f"{directory}/file"
    for content in (b"zero", b"one"):
        with fs.open(path, "wb", control_version=True) as file:
            file.write(content)

    with fs.open(path, version=0) as file:
        assert file.read() == b"zero"
    assert fs.cat_file(path) == b"one"


@pytest.mark.parametrize("use", ["info", "ls", "rm_file", "open", "rm", "cat_file", "checksum"])
def test_what_is_not_there_is_not_found(use: str, fs: FlowceptFileSystem, directory: str) -> None:
    with pytest.raises(FileNotFoundError):
        getattr(fs, use)(f"{directory}/nothing")


def test_a_part_is_read_by_its_range(fs: FlowceptFileSystem, directory: str) -> None:
    large = bytes(range(256)) * (20 << 10)
    fs.pipe_file(f"{directory}/large", large)

    assert fs.cat_file(f"{directory}/large", start=3 << 20, end=(3 << 20) + 500) == large[3 << 20 :][:500]
    assert fs.tail(f"{directory}/large", 10) == large[-10:]


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_block_that_fails_leaves_the_old_content(mode: str, fs: FlowceptFileSystem, directory: str) -> None:
    fs.pipe_file(f"{directory}/file", b"old")

    def write_and_fail() -> None:
        with fs.open(f"{directory}/file", mode) as file:
            file.write(b"new" if mode == "wb" else "new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()

    assert fs.cat_file(f"{directory}/file") == b"old"


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_file_that_nobody_closes_is_not_saved(mode: str, fs: FlowceptFileSystem, directory: str) -> None:
    def write_and_forget() -> None:
        fs.open(f"{directory}/file", mode).write(b"half" if mode == "wb" else "half")
        gc.collect()

    with pytest.warns(ResourceWarning, match="nobody has closed"):
        write_and_forget()

    assert not fs.exists(f"{directory}/file")


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_block_of_fsspec_itself_that_fails_leaves_the_old_content(
    mode: str, fs: FlowceptFileSystem, directory: str
) -> None:
    fs.pipe_file(f"{directory}/file", b"old")

    def write_and_fail() -> None:
        with fsspec.open(f"flowcept://{directory}/file", mode) as file:
            file.write(b"new" if mode == "wb" else "new")
            raise ZeroDivisionError

    with pytest.warns(UserWarning, match="closed because of ZeroDivisionError"), pytest.raises(ZeroDivisionError):
        write_and_fail()

    assert fs.cat_file(f"{directory}/file") == b"old"


def test_a_file_that_is_written_because_of_an_error_is_saved(fs: FlowceptFileSystem, directory: str) -> None:
    try:
        fs.info(f"{directory}/nothing")
    except FileNotFoundError:
        with fsspec.open(f"flowcept://{directory}/file", "w") as file:
            file.write("what went wrong")

    assert fs.cat_file(f"{directory}/file") == b"what went wrong"


def test_files_are_compressed_by_fsspec(fs: FlowceptFileSystem, directory: str) -> None:
    with fsspec.open(f"flowcept://{directory}/file.gz", "wt", compression="infer") as file:
        file.write("text")

    with fs.open(f"{directory}/file.gz", "rt", compression="infer") as file:
        assert file.read() == "text"
    with pytest.raises(InvalidArgumentError, match=r"fsspec\.open"):
        fs.open(f"{directory}/other.gz", "wb", compression="gzip")


def test_text_has_the_encoding_that_was_asked_for(fs: FlowceptFileSystem, directory: str) -> None:
    with fs.open(f"{directory}/file", "w", encoding="utf-16", newline="\r\n") as file:
        file.write("ü\n")

    assert fs.cat_file(f"{directory}/file").decode("utf-16") == "ü\r\n"


def test_a_file_that_must_be_new_is_saved_once(fs: FlowceptFileSystem, directory: str) -> None:
    first, second = fs.open(f"{directory}/file", "xb"), fs.open(f"{directory}/file", "xb")
    first.write(b"first")
    second.write(b"second")
    first.close()

    with pytest.raises(FileExistsError):
        second.close()

    assert fs.cat_file(f"{directory}/file") == b"first"


def test_appending_is_refused(fs: FlowceptFileSystem, directory: str) -> None:
    with pytest.raises(InvalidArgumentError, match="read or replaced as a whole"):
        fs.open(f"{directory}/file", "ab")


def test_a_transaction_saves_its_files_at_its_end(fs: FlowceptFileSystem, directory: str) -> None:
    with fs.transaction:
        for name in ("a", "b"):
            with fs.open(f"{directory}/{name}", "wb") as file:
                file.write(name.encode())
        assert fs.find(directory) == []

    assert [fs.cat_file(path) for path in fs.find(directory)] == [b"a", b"b"]


def test_a_transaction_that_fails_saves_nothing(fs: FlowceptFileSystem, directory: str) -> None:
    def write_and_fail() -> None:
        with fs.transaction:
            fs.pipe_file(f"{directory}/a", b"a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()

    assert fs.find(directory) == []
    fs.pipe_file(f"{directory}/b", b"saved at once again")
    assert fs.find(directory) == [f"{directory}/b"]


def test_transfers_tell_how_far_they_are(fs: FlowceptFileSystem, directory: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(300_000))
    up, down = Callback(), Callback()

    fs.put_file(source, f"{directory}/file", callback=up)
    fs.get_file(f"{directory}/file", tmp_path / "folder" / "copy", callback=down)

    assert (up.size, up.value) == (down.size, down.value) == (300_000, 300_000)
    assert (tmp_path / "folder" / "copy").read_bytes() == source.read_bytes()


def test_downloads_go_to_open_files_too(fs: FlowceptFileSystem, directory: str) -> None:
    fs.pipe_file(f"{directory}/file", b"abc")
    target = io.BytesIO()

    fs.get_file(f"{directory}/file", target)

    assert target.getvalue() == b"abc"


def test_an_upload_may_insist_on_being_the_first(fs: FlowceptFileSystem, directory: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    fs.pipe_file(f"{directory}/file", b"old")

    with pytest.raises(FileExistsError):
        fs.put_file(tmp_path / "source", f"{directory}/file", mode="create")

    assert fs.cat_file(f"{directory}/file") == b"old"


def test_history_is_not_deleted(fs: FlowceptFileSystem, directory: str) -> None:
    with fs.open(f"{directory}/file", "wb", control_version=True) as file:
        file.write(b"abc")

    with pytest.raises(PreconditionError, match="append-only"):
        fs.rm(f"{directory}/file")


def test_a_directory_goes_with_its_last_file(fs: FlowceptFileSystem, directory: str) -> None:
    fs.makedirs(f"{directory}/a")
    fs.pipe_file(f"{directory}/a/file", b"")
    with pytest.raises(OSError, match="not empty"):
        fs.rmdir(f"{directory}/a")

    fs.rm(directory, recursive=True)

    assert not fs.exists(directory)
    fs.rmdir(f"{directory}/a")


def test_what_is_not_kept_in_memory_is_written_and_read_back(fs: FlowceptFileSystem, directory: str) -> None:
    large = bytes(range(256)) * (40 << 10)  # more than waits in memory

    with fs.open(f"{directory}/large", "wb") as file:
        for start in range(0, len(large), 1 << 20):
            file.write(large[start : start + (1 << 20)])

    assert fs.cat_file(f"{directory}/large") == large
