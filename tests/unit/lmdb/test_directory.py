"""A data directory belongs to one server, and says clearly why it cannot be used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import bson
import lmdb
import pytest

from flowcept.errors import PreconditionError, Reason, UnavailableError
from flowcept_service.domain.records import Collection
from tests.conformance.harness import task
from tests.unit.lmdb.conftest import Open

HOLD = """
import sys, time
from pathlib import Path
from flowcept_service.storage.lmdb import LmdbSettings, LmdbStorage
from tests.conformance.harness import BsonEventEncoder, FakeClock, task
store = LmdbStorage(LmdbSettings(Path(sys.argv[1])), BsonEventEncoder(), FakeClock())
store.records.write([task("t1")])
print("open", flush=True)
time.sleep(60)
"""


def test_a_directory_is_made(tmp_path: Path, open_store: Open) -> None:
    open_store(tmp_path / "new" / "data").records.write([task("t1")])

    assert sorted(p.name for p in (tmp_path / "new" / "data").iterdir()) == ["flowcept.lock", "payloads", "records"]


def test_a_second_server_is_told_who_holds_the_directory(tmp_path: Path, open_store: Open) -> None:
    open_store(tmp_path)

    with pytest.raises(PreconditionError) as caught:
        open_store(tmp_path)

    assert caught.value.reason == Reason.STORAGE_IN_USE
    assert caught.value.metadata == {"directory": str(tmp_path), "pid": str(os.getpid())}


def test_a_directory_is_free_once_its_server_was_killed(tmp_path: Path, open_store: Open) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(PreconditionError) as caught:
            open_store(tmp_path)
        assert caught.value.metadata["pid"] == str(holder.pid)
        holder.send_signal(signal.SIGKILL)

    assert open_store(tmp_path).records.count(Collection.TASKS) == 1


def test_a_closed_store_can_be_opened_again(tmp_path: Path, open_store: Open) -> None:
    open_store(tmp_path).close()

    assert open_store(tmp_path).records.count(Collection.TASKS) == 0


def test_a_failed_start_leaves_the_directory_free(tmp_path: Path, open_store: Open) -> None:
    (tmp_path / "payloads").write_text("in the way")
    with pytest.raises(UnavailableError):
        open_store(tmp_path)
    (tmp_path / "payloads").unlink()

    open_store(tmp_path)


def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path: Path, open_store: Open) -> None:
    file = tmp_path / "file"
    file.write_text("not a directory")

    with pytest.raises(UnavailableError) as caught:
        open_store(file)

    assert caught.value.reason == Reason.STORAGE_UNAVAILABLE
    assert str(file) in caught.value.message


@pytest.mark.parametrize("role", ["records", "payloads"])
def test_a_newer_schema_is_refused(tmp_path: Path, open_store: Open, role: str) -> None:
    open_store(tmp_path).close()
    with lmdb.open(str(tmp_path / role), max_dbs=64, lib_version=0) as environment:
        meta = environment.open_db(b"meta")
        with environment.begin(write=True) as txn:
            txn.put(b"schema", bson.encode({"format": "flowcept", "role": role, "version": 99}), db=meta)

    with pytest.raises(PreconditionError) as caught:
        open_store(tmp_path)

    assert caught.value.reason == Reason.STORAGE_INCOMPATIBLE
    assert caught.value.metadata["found_version"] == "99"


def test_directories_that_changed_places_are_refused(tmp_path: Path, open_store: Open) -> None:
    open_store(tmp_path).close()
    (tmp_path / "records").rename(tmp_path / "kept")
    (tmp_path / "payloads").rename(tmp_path / "records")
    (tmp_path / "kept").rename(tmp_path / "payloads")

    with pytest.raises(PreconditionError) as caught:
        open_store(tmp_path)

    assert caught.value.reason == Reason.STORAGE_INCOMPATIBLE


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, open_store: Open) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "data.mdb").write_bytes(b"something else entirely" * 1000)

    with pytest.raises(PreconditionError) as caught:
        open_store(tmp_path)

    assert caught.value.reason == Reason.STORAGE_INCOMPATIBLE
