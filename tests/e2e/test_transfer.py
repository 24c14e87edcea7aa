"""`flowcept-service transfer`: everything, once, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from flowcept_service.domain.records import Collection
from flowcept_service.domain.replication import ReplicaBatch, RowChange, RowKey
from tests.conformance.copying import contents
from tests.support.blobs import pattern
from tests.support.clients import peak_mib
from tests.support.conditions import eventually
from tests.support.server import ServerProcess
from tests.support.stores import command, fill, lmdb_address, opened, run_command, run_here, save, tasks

Address = Callable[[str], str]


@pytest.fixture
def lmdb(tmp_path: Path) -> Address:
    return lambda name: lmdb_address(tmp_path / name)


@pytest.fixture
def mongodb(mongodb_uri: str) -> Address:
    suffix = uuid.uuid4().hex[:8]
    return lambda name: mongodb_uri.replace("/?", f"/test_{name}_{suffix}?")


def transfer(source: str, target: str, *options: str) -> list[str]:
    return ["transfer", "--from", source, "--to", target, "--json", *options]


def payload_bytes(address: str) -> int:
    """About how many bytes of payloads have arrived in a store that another process writes."""
    if address.startswith("lmdb:"):
        file = Path(address.removeprefix("lmdb:")) / "payloads" / "data.mdb"
        return file.stat().st_size if file.exists() else 0
    with MongoClient[dict[str, Any]](address) as client:
        return client.get_default_database()["fs.chunks"].estimated_document_count() * (255 << 10)


def assert_same(first: str, second: str) -> None:
    with opened(first) as one, opened(second) as other:
        held, copied = contents(one), contents(other)
    for part, values in held.items():
        assert copied[part] == values, part


def assert_sound(address: str) -> None:
    done = run_here("check", "--in-process", "--data-dir", address.removeprefix("lmdb:"), "--json")
    assert (done.code, done.json["findings"]) == (0, [])


def test_from_lmdb_to_lmdb(lmdb: Address) -> None:
    with opened(lmdb("a")) as store:
        fill(store)

    done = run_command(*transfer(lmdb("a"), lmdb("b"), "--verify"))

    assert done.code == 0, done.err
    assert done.json["complete"]
    assert done.json["verified"]["different"] == {}
    assert done.json["held"] == {
        "tasks": 750,
        "workflows": 0,
        "agents": 0,
        "objects": 3,
        "object_history": 6,
        "last_sequence": 1259,
    }
    assert_same(lmdb("a"), lmdb("b"))


def test_from_lmdb_to_mongodb_and_back(lmdb: Address, mongodb: Address) -> None:
    with opened(lmdb("a")) as store:
        fill(store)

    there = run_command(*transfer(lmdb("a"), mongodb("b"), "--verify"))
    back = run_command(*transfer(mongodb("b"), lmdb("c"), "--verify"))

    assert (there.code, back.code) == (0, 0), there.err + back.err
    assert_same(lmdb("a"), mongodb("b"))
    assert_same(lmdb("a"), lmdb("c"))
    assert_sound(lmdb("c"))


def test_documents_of_other_writers_come_along(lmdb: Address, mongodb: Address, mongodb_uri: str) -> None:
    """As the library writes them: bytes in ``data`` without a name, and records that no event tells of."""
    with opened(mongodb("a")) as store:
        store.records.write(tasks(0, 3))
    data = b"written by the library"
    described = {
        "object_id": "theirs",
        "object_size_bytes": len(data),
        "data_sha256": hashlib.sha256(data).hexdigest(),
        "data_hash_algo": "sha256",
        "prev_version": None,
        "save_data_in_collection": True,
        "unknown": {"kept": True},
    }
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client[mongodb("a").rpartition("/")[2].partition("?")[0]]
        database["objects"].insert_one({**described, "version": 1, "data": data})
        database["object_history"].insert_one({**described, "version": 0, "data": data})
        database["tasks"].insert_one({"task_id": "theirs", "used": {"x": 1}})
        database["workflows"].insert_one({"name": "without an identifier"})

    done = run_command(*transfer(mongodb("a"), lmdb("b"), "--verify"))
    back = run_command(*transfer(lmdb("b"), mongodb("c"), "--verify"))

    assert (done.code, back.code) == (1, 0)
    assert_sound(lmdb("b"))
    assert done.json["skipped_rows"] == 1
    assert done.json["verified"]["different"] == {}
    for address in (lmdb("b"), mongodb("c")):
        with opened(address) as store:
            for number in (0, 1):
                version = store.objects.get("theirs", number)
                assert b"".join(store.payloads.read(version, 0, len(data), 1 << 20)) == data
                assert version.extra == {"unknown": {"kept": True}}
            assert store.records.get(Collection.TASKS, "theirs") == {"task_id": "theirs", "used": {"x": 1}}


def test_repeating_it_copies_what_has_changed(lmdb: Address) -> None:
    with opened(lmdb("a")) as store:
        fill(store)
    run_command(*transfer(lmdb("a"), lmdb("b")))
    again = run_command(*transfer(lmdb("a"), lmdb("b")))
    with opened(lmdb("a")) as store:
        store.records.write(tasks(5000, 10))
        save(store, "small", b"one more")

    after = run_command(*transfer(lmdb("a"), lmdb("b"), "--verify"))

    assert (again.json["changed_rows"], again.json["events"]) == (0, 0)
    assert (after.json["changed_rows"], after.json["events"]) == (12, 11)
    assert after.code == 0
    assert_same(lmdb("a"), lmdb("b"))


@pytest.mark.parametrize("kind", ["lmdb", "mongodb"])
def test_killed_in_the_middle_it_goes_on(kind: str, lmdb: Address, request: pytest.FixtureRequest) -> None:
    target = request.getfixturevalue(kind)("b")
    with opened(lmdb("a")) as store:
        fill(store, large=40 << 20)

    for arrived in (10 << 20, 40 << 20, 70 << 20):
        process = subprocess.Popen(
            command(*transfer(lmdb("a"), target)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        # MongoDB may hold what a killed process was writing for a minute, until it ends its transaction.
        eventually(lambda arrived=arrived: payload_bytes(target) >= arrived, 90)  # type: ignore[misc]
        process.kill()
        assert process.wait(60) == -signal.SIGKILL, "it was done before it was killed"
    done = run_command(*transfer(lmdb("a"), target, "--verify"))

    assert done.code == 0, done.err
    assert done.json["verified"]["different"] == {}
    assert_same(lmdb("a"), target)


def test_interrupted_it_says_so_and_goes_on(lmdb: Address, tmp_path: Path) -> None:
    with opened(lmdb("a")) as store:
        fill(store, large=60 << 20)
    process = subprocess.Popen(
        command(*transfer(lmdb("a"), lmdb("b"))), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    eventually(lambda: payload_bytes(lmdb("b")) > 10 << 20, 60)

    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert '"complete": false' in out
    unfinished = run_command("serve", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "b"))
    assert unfinished.code == 1
    assert "unfinished copy" in unfinished.err
    assert run_command(*transfer(lmdb("a"), lmdb("b"), "--verify")).code == 0


def test_verify_finds_what_was_changed_behind_its_back(lmdb: Address) -> None:
    with opened(lmdb("a")) as store:
        fill(store)
    run_command(*transfer(lmdb("a"), lmdb("b")))
    key = RowKey(Collection.TASKS, "t7")
    with opened(lmdb("b")) as store:
        state, (stored,) = store.replica.state(), store.replica.stored([key])
        assert state is not None
        assert stored is not None
        changed = bson.encode({**RawBSONDocument(stored), "n": 8})
        rows = [RowChange(key, changed), RowChange(RowKey(Collection.TASKS, "t8"), None)]
        store.replica.apply(ReplicaBatch(state, rows=rows, consumers={"reader": 99}))

    done = run_command(*transfer(lmdb("a"), lmdb("b"), "--verify"))

    assert done.code == 6
    found = {(found["where"], found["what"], found["problem"]) for found in done.json["verified"]["differences"]}
    assert ("tasks", "t7", "is another document in the copy") in found
    assert ("tasks", "t8", "is missing in the copy") in found
    assert len(found) == 2


def test_verify_finds_flipped_bytes(lmdb: Address, mongodb: Address, mongodb_uri: str) -> None:
    with opened(lmdb("a")) as store:
        fill(store)
    target = mongodb("b")
    run_command(*transfer(lmdb("a"), target))
    name = target.rpartition("/")[2].partition("?")[0]
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        chunks = client[name]["fs.chunks"]
        chunk = chunks.find_one({"n": 3})
        assert chunk is not None
        data = chunk["data"]
        assert isinstance(data, bytes)
        chunks.update_one({"_id": chunk["_id"]}, {"$set": {"data": bytes([data[0] ^ 1]) + data[1:]}})

    done = run_command(*transfer(lmdb("a"), target, "--verify"))

    assert done.code == 6
    (found,) = done.json["verified"]["differences"]
    assert found["where"] == "payloads"
    assert found["what"].startswith("large version ")
    assert "instead of" in found["problem"]


def test_damaged_bytes_in_the_source_are_reported_by_name(lmdb: Address, tmp_path: Path) -> None:
    with opened(lmdb("a")) as store:
        fill(store)
        save(store, "flipped", b"needle" * 40_000)
    # Behind the store's back: one byte of a payload, in the file itself.
    file = tmp_path / "a" / "payloads" / "data.mdb"
    data = bytearray(file.read_bytes())
    data[data.index(b"needleneedle") + 50_000] ^= 1
    file.write_bytes(data)

    done = run_command(*transfer(lmdb("a"), lmdb("b")))

    assert done.code == 6
    assert [(found["object_id"], found["version"]) for found in done.json["damaged"]] == [("flipped", 0)]
    assert done.json["held"]["objects"] == 4


def test_a_target_with_other_data_is_left_alone_unless_told_otherwise(lmdb: Address) -> None:
    for name, first in (("a", 0), ("b", 10)):
        with opened(lmdb(name)) as store:
            store.records.write(tasks(first, 5))

    refused = run_command(*transfer(lmdb("a"), lmdb("b")))
    replaced = run_command(*transfer(lmdb("a"), lmdb("b"), "--replace", "--verify"))

    assert refused.code == 1
    assert "--replace" in refused.err
    assert replaced.code == 0
    assert_same(lmdb("a"), lmdb("b"))


def test_a_store_in_use_is_named(lmdb: Address, tmp_path: Path) -> None:
    with ServerProcess(tmp_path, data_dir=tmp_path / "a"):
        source = run_command(*transfer(lmdb("a"), lmdb("b")))
        target = run_command(*transfer(lmdb("c"), lmdb("a")))

    assert source.code == 5
    assert "in use" in source.err
    assert target.code == 3


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("lmdb:nowhere", "lmdb:b", 3),
        ("sqlite:x", "lmdb:b", 2),
        ("lmdb:", "lmdb:b", 2),
        ("lmdb:nowhere", "mongdb://user:secret@host/db", 2),
    ],
)
def test_wrong_addresses_are_explained(source: str, target: str, code: int, tmp_path: Path) -> None:
    done = run_command(*transfer(source.replace("nowhere", str(tmp_path / "nowhere")), target))

    assert done.code == code
    assert done.err.startswith("flowcept-service transfer: ")
    assert "secret" not in done.err
    assert not (tmp_path / "nowhere").exists()


def test_a_store_is_not_copied_into_itself(lmdb: Address, tmp_path: Path) -> None:
    with opened(lmdb("a")) as store:
        store.records.write(tasks(0, 1))

    done = run_command(*transfer(lmdb("a"), f"lmdb:{tmp_path}/./a"))

    assert done.code == 2
    assert "same store" in done.err


def test_credentials_are_never_shown(lmdb: Address) -> None:
    with opened(lmdb("a")) as store:
        store.records.write(tasks(0, 1))

    done = run_command(
        *transfer(lmdb("a"), "mongodb://user:s3cret@127.0.0.1:1/db?replicaSet=rs0&serverSelectionTimeoutMS=200")
    )

    assert done.code == 5
    assert "s3cret" not in done.err + done.out


def test_memory_does_not_grow_with_the_payload(lmdb: Address, mongodb: Address) -> None:
    with opened(lmdb("a")) as store:
        save(store, "large", pattern(400 << 20))

    for target in (lmdb("b"), mongodb("b")):
        process = subprocess.Popen(command(*transfer(lmdb("a"), target)), stdout=subprocess.DEVNULL)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, peak_mib(process.pid))
            time.sleep(0.01)
        assert process.returncode == 0
        assert 0 < peak < 250
