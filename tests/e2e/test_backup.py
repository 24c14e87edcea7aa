"""`flowcept-service backup` and `restore`: a running store as of one moment, and back again."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import DeleteObjectRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.domain.records import Collection
from flowcept_service.query import parse_query
from flowcept_service.storage.documents import decode_version
from flowcept_service.storage.lmdb.offline._file import StoreFile
from flowcept_service.storage.lmdb.offline._snapshot import Snapshot
from flowcept_service.storage.replica import ReplicableStorage
from tests.conformance.copying import contents
from tests.support.backups import backed_up, filled
from tests.support.blobs import KIB, Blobs, pattern
from tests.support.conditions import PATIENCE, eventually
from tests.support.disks import small_file_system
from tests.support.provenance import batch, task
from tests.support.server import ServerProcess
from tests.support.stores import command, lmdb_address, opened, run_command, run_here, save

SWEEPING = {"FLOWCEPT_SERVICE_SWEEP_SECONDS": "0.05", "FLOWCEPT_SERVICE_KEEP_UNREFERENCED_SECONDS": "1"}
LARGE = 300 * KIB
"""Too large to be kept beside its version."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The data directory of a store that holds some of everything, and is not open."""
    return filled(tmp_path / "data")


def assert_every_version_has_its_bytes(store: ReplicableStorage) -> int:
    checked = 0
    for collection in (Collection.OBJECTS, Collection.OBJECT_HISTORY):
        for document in store.records.find(collection, parse_query({})):
            version = decode_version(document)
            digest = hashlib.sha256()
            for piece in store.payloads.read(version, 0, version.object_size_bytes, 1 << 20):
                digest.update(piece)
            assert digest.hexdigest() == version.data_sha256
            checked += 1
    return checked


@pytest.mark.parametrize("form", ["backup", "backup.tar"])
def test_a_restored_store_holds_what_was_backed_up(store: Path, tmp_path: Path, form: str) -> None:
    backup = backed_up(store, tmp_path / form)

    done = run_here("restore", str(backup), "--data-dir", str(tmp_path / "new"), "--keep-sequence", "--json")

    assert done.code == 0, done.err
    with opened(lmdb_address(store)) as original, opened(lmdb_address(tmp_path / "new")) as restored:
        assert contents(restored) == contents(original)
        assert assert_every_version_has_its_bytes(restored) == 9


def test_a_backup_travels_through_a_pipe(store: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    with subprocess.Popen(command("backup", "-", "--data-dir", str(store)), stdout=subprocess.PIPE) as writer:
        reader = subprocess.run(
            command("restore", "-", "--data-dir", str(new), "--keep-sequence"), stdin=writer.stdout, check=False
        )

    assert (writer.returncode, reader.returncode) == (0, 0)
    with opened(lmdb_address(store)) as original, opened(lmdb_address(new)) as restored:
        assert contents(restored) == contents(original)


def test_a_pipe_that_nobody_reads_is_an_error_and_no_traceback(store: Path) -> None:
    with subprocess.Popen(
        command("backup", "-", "--data-dir", str(store)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.close()
        told = writer.stderr.read()
    assert (writer.returncode, told) == (5, "flowcept-service backup: stdout cannot be used: Broken pipe\n")


def test_progress_is_shown_on_a_terminal(store: Path, tmp_path: Path) -> None:
    terminal, end = os.openpty()
    arguments = command("backup", str(tmp_path / "backup"), "--data-dir", str(store))
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=end, text=True, check=False)
    shown = os.read(terminal, 1 << 16).decode()
    os.close(end)
    os.close(terminal)

    assert done.returncode == 0
    assert "backed up" in done.stdout
    assert "copied" in shown


def test_a_backup_in_a_directory_is_a_store_itself(store: Path, tmp_path: Path) -> None:
    backup = backed_up(store, tmp_path / "backup")
    manifest = json.loads((backup / "manifest.json").read_text())

    with opened(lmdb_address(store)) as original, opened(lmdb_address(backup)) as copy:
        assert contents(copy) == contents(original)
        assert manifest["last_sequence"] == original.events.bounds().last
        assert manifest["counts"]["tasks"] == original.records.count(Collection.TASKS)


def test_a_backup_is_not_served_from(store: Path, tmp_path: Path) -> None:
    backup = backed_up(store, tmp_path / "backup")
    before = sorted(path.name for path in backup.rglob("*"))

    done = run_command("serve", "--data-dir", str(backup), "--listen", "127.0.0.1:0")

    assert done.code == 1
    assert f"restore {backup} --data-dir DIR" in done.err
    assert sorted(path.name for path in backup.rglob("*")) == before


def test_the_manifest_describes_the_files(store: Path, tmp_path: Path) -> None:
    archive = backed_up(store, tmp_path / "backup.tar")

    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["records/data.mdb", "payloads/data.mdb", "manifest.json"]
        read = {name: (tar.extractfile(name) or pytest.fail(name)).read() for name in tar.getnames()}
    manifest = json.loads(read["manifest.json"])
    for file in manifest["files"]:
        assert file["size"] == len(read[file["name"]])
        assert file["sha256"] == hashlib.sha256(read[file["name"]]).hexdigest()


@contextmanager
def under_load(server: ServerProcess) -> Iterator[Callable[[], int]]:
    """Overwrites, deletions and new versions of large and small objects, and tasks, until the end."""
    stop = threading.Event()
    written: list[str] = []

    def overwrite(blobs: Blobs, writer: int) -> None:
        number = 0
        while not stop.is_set():
            name, size = f"o{writer}-{number % 3}", LARGE if number % 2 else KIB
            blobs.put(pattern(size + number, seed=writer), f"{writer}-{number}", name)
            if number % 5 == 4:
                blobs.stub.DeleteObject(DeleteObjectRequest(object_id=name))
            blobs.put(pattern(size, seed=number), f"c{writer}-{number}", f"kept-{writer}", control_version=True)
            written.append(name)
            number += 1

    def publish(stub: ProvenanceStub) -> None:
        number = 0
        while not stop.is_set():
            stub.Publish(batch(*(task(f"t{number}-{n}", f"m{number}-{n}") for n in range(50))))
            number += 1

    with grpc.insecure_channel(server.target) as channel, ThreadPoolExecutor(4) as pool:
        blobs = Blobs(channel)
        working = [pool.submit(overwrite, blobs, writer) for writer in range(3)]
        working.append(pool.submit(publish, ProvenanceStub(channel)))
        try:
            yield lambda: len(written)
        finally:
            stop.set()
        for future in working:
            future.result(PATIENCE)


def test_backups_under_load_lack_no_bytes(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, environ=SWEEPING) as server, under_load(server) as written:
        for number in range(5):
            enough = written() + 10
            eventually(lambda enough=enough: written() >= enough)  # type: ignore[misc]  # bound in this round
            backed_up(server.data_dir, tmp_path / f"backup{number}")
            checked = run_here("check", "--in-process", "--data-dir", str(server.data_dir), "--json")
            assert checked.json["clean"], checked.out

    last = 0
    for number in range(5):
        checked = run_here("check", "--in-process", "--data-dir", str(tmp_path / f"backup{number}"), "--json")
        assert checked.json["clean"], checked.out
        with opened(lmdb_address(tmp_path / f"backup{number}")) as copy:
            assert assert_every_version_has_its_bytes(copy) > 10
            bounds = copy.events.bounds()
            events = copy.events.read(0, 1 << 40)
            assert [block.first for block in events] == [1, *(block.last + 1 for block in events[:-1])]
            assert bounds.last == events[-1].last > last
            last = bounds.last


def test_a_moment_is_found_at_which_both_databases_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two transactions, the bytes that the first one's records refer to are overwritten and swept."""
    begin = StoreFile.begin_buffers
    torn: list[bool] = []

    with ServerProcess(tmp_path, environ=SWEEPING) as server, grpc.insecure_channel(server.target) as channel:
        blobs = Blobs(channel)
        blobs.put(pattern(LARGE), "first")

        def begin_late(file: StoreFile) -> Any:
            if not torn:
                blobs.put(pattern(LARGE, seed=1), "second")
                eventually(lambda: payloads_with_bytes(file) == 1)
                torn.append(True)
            return begin(file)

        def payloads_with_bytes(file: StoreFile) -> int:
            txn = begin(file)
            try:
                return int(txn.stat(file.table("chunks"))["entries"])
            finally:
                txn.abort()

        monkeypatch.setattr(StoreFile, "begin_buffers", begin_late)
        snapshot = Snapshot(server.data_dir)
        try:
            with snapshot.records.cursor(snapshot.record_file.table("payload_references")) as references:
                referenced = [bytes(key) for key in references.iternext(values=False)]
            with snapshot.payloads.cursor(snapshot.payload_file.table("chunks")) as chunks:
                held = {bytes(key)[:12] for key in chunks.iternext(values=False)}
        finally:
            snapshot.close()

    assert torn
    assert len(referenced) == 1
    assert set(referenced) == held


def test_nothing_is_overwritten(store: Path, tmp_path: Path) -> None:
    (tmp_path / "backup.tar").write_text("mine")
    (tmp_path / "empty").mkdir()

    for name in ("backup.tar", "empty"):
        done = run_here("backup", str(tmp_path / name), "--data-dir", str(store))
        assert done.code == 1
        assert f"{tmp_path / name} exists" in done.err
    assert (tmp_path / "backup.tar").read_text() == "mine"


def test_a_name_that_promises_compression_is_refused_with_what_to_do(store: Path, tmp_path: Path) -> None:
    done = run_here("backup", str(tmp_path / "monday.tar.gz"), "--data-dir", str(store))

    assert done.code == 2
    assert "| gzip >" in done.err
    assert not (tmp_path / "monday.tar.gz").exists()


def test_there_must_be_a_store(tmp_path: Path) -> None:
    done = run_here("backup", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "nowhere"))

    assert done.code == 3
    assert "no such directory" in done.err
    assert not (tmp_path / "nowhere").exists()


def test_a_backup_within_the_data_directory_is_refused(store: Path) -> None:
    done = run_here("backup", str(store / "backup"), "--data-dir", str(store))

    assert done.code == 2
    assert "choose another place" in done.err


@pytest.mark.parametrize("name", ["backup", "restore", "compact"])
def test_mongodb_has_tools_of_its_own(tmp_path: Path, name: str) -> None:
    arguments = [] if name == "compact" else [str(tmp_path / "backup")]

    done = run_here(name, *arguments, "--store", "mongodb")

    assert done.code == 2
    assert "MongoDB" in done.err
    assert "--store lmdb" in done.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "small", 4) as place:
        yield place


@pytest.mark.may_skip("mounting needs privileges")
@pytest.mark.parametrize("form", ["backup", "backup.tar"])
def test_a_full_disk_leaves_nothing_behind(store: Path, tmp_path: Path, small_disk: Path, form: str) -> None:
    done = run_here("backup", str(small_disk / form), "--data-dir", str(store))
    assert done.code == 1
    assert "bytes are needed" in done.err

    backup = backed_up(store, tmp_path / form)
    restored = run_here("restore", str(backup), "--data-dir", str(small_disk / "data"))
    assert restored.code == 1
    assert "is full" in restored.err
    assert list(small_disk.iterdir()) == []


def test_an_interrupted_backup_leaves_nothing(tmp_path: Path) -> None:
    with opened(lmdb_address(tmp_path / "data")) as large:
        for number in range(4):
            save(large, f"o{number}", pattern(16 << 20, number))
    (tmp_path / "backups").mkdir()
    # Nobody reads the pipe, so the backup waits in the middle.
    with subprocess.Popen(
        command("backup", "-", "--data-dir", str(tmp_path / "data")), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as waiting:
        assert waiting.stdout is not None
        waiting.stdout.read(1)
        waiting.send_signal(signal.SIGTERM)
        assert waiting.stderr is not None
        waiting.stdout.read()
        told = waiting.stderr.read().decode()
    assert (waiting.returncode, told) == (
        130,
        "flowcept-service backup: the backup was interrupted; nothing is left of it\n",
    )
    assert list((tmp_path / "backups").iterdir()) == []
