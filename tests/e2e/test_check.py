"""`flowcept-service check`: a store that is damaged behind its back, in one place at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bson
import lmdb
import pytest

from flowcept_service.domain.objects import ObjectChange, ObjectFields
from flowcept_service.domain.records import Collection
from flowcept_service.server.stores import now
from flowcept_service.storage.lmdb._environment.environment import META
from flowcept_service.storage.lmdb._environment.keys import NUMBER, text_key, version_key
from flowcept_service.storage.lmdb._tables import TABLES
from tests.conformance.copying import contents
from tests.support.blobs import pattern
from tests.support.server import ServerProcess
from tests.support.stores import Finished, fill, lmdb_address, opened, run_command, run_here


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a sound store that holds some of everything."""
    directory = tmp_path_factory.mktemp("original") / "data"
    with opened(lmdb_address(directory)) as store:
        fill(store, large=2 << 20)
        store.objects.commit(ObjectChange("small", ObjectFields(tags=("b",)), True, "update", now()))
        store.events.acknowledge("durable", 7)
        staging = store.payloads.stage("upload", "other", now())
        store.payloads.append(staging, [pattern(3 << 20, 7)], now())
        overwritten = store.payloads.write([b"old" * 100_000], "0" * 64, in_object=False)
        store.objects.commit(ObjectChange("plain", ObjectFields(), False, "first", now(), payload=overwritten))
        fresh = store.payloads.write([b"new"], SHA_OF_NEW, in_object=False)
        store.objects.commit(ObjectChange("plain", ObjectFields(), False, "second", now(), payload=fresh))
    return directory


SHA_OF_NEW = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"


@pytest.fixture
def store(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "data")
    return tmp_path / "data"


class Hand:
    """Reaches into a store's tables."""

    def __init__(self, txn: lmdb.Transaction[bytes], tables: dict[str, Any]) -> None:
        self.txn = txn
        self.tables = tables

    def get(self, table: str, key: bytes) -> bytes:
        value = self.txn.get(key, db=self.tables[table])
        assert value is not None
        return value

    def put(self, table: str, key: bytes, value: bytes) -> None:
        self.txn.put(key, value, db=self.tables[table])

    def delete(self, table: str, key: bytes, value: bytes = b"") -> None:
        assert self.txn.delete(key, value, db=self.tables[table])

    def first(self, table: str) -> tuple[bytes, bytes]:
        with self.txn.cursor(self.tables[table]) as cursor:
            assert cursor.first()
            return cursor.item()

    def nth(self, table: str, number: int) -> tuple[bytes, bytes]:
        with self.txn.cursor(self.tables[table]) as cursor:
            return list(cursor)[number]

    def row(self, collection: str, key: bytes) -> bytes:
        return self.get(f"{collection}._id", key)

    def change(self, collection: str, key: bytes, **fields: Any) -> None:
        row = self.row(collection, key)
        self.put(collection, row, bson.encode({**bson.decode(self.get(collection, row)), **fields}))

    def payload(self, collection: str, key: bytes) -> bytes:
        document = bson.decode(self.get(collection, self.row(collection, key)))
        payload: bytes = (document.get("grid_fs_file_id") or document["payload_id"]).binary
        return payload

    def flip(self, table: str, key: bytes, at: int = -1) -> None:
        value = bytearray(self.get(table, key))
        value[at] ^= 1
        self.put(table, key, bytes(value))


@contextmanager
def inside(store: Path, role: str) -> Iterator[Hand]:
    with lmdb.open(str(store / role), max_dbs=64, map_size=1 << 30, lib_version=0) as environment:
        tables = {name: environment.open_db(name.encode(), create=False) for name in (*TABLES[role], META)}
        with environment.begin(write=True) as txn:
            yield Hand(txn, tables)


def check(store: Path, *options: str) -> Finished:
    return run_here("check", "--in-process", "--data-dir", str(store), "--json", *options)


def kinds(done: Finished) -> list[str]:
    return sorted(finding["kind"] for finding in done.json["findings"])


Damage = Callable[[Hand], object]
TASK = text_key("t3")
LARGE_1 = version_key("large", 1)


@dataclass(frozen=True)
class Case:
    """A damage, and what is to be found."""

    name: str
    damage: Damage
    finds: list[str]
    role: str = "records"


def _duplicate(hand: Hand) -> None:
    last = NUMBER.unpack(hand.nth("tasks", -1)[0])[0]
    row = NUMBER.pack(last + 1)
    document = bson.decode(hand.get("tasks", hand.row("tasks", TASK)))
    hand.put("tasks", row, bson.encode({"task_id": document["task_id"]}))


def _unfinished_upload(hand: Hand) -> None:
    with hand.txn.cursor(hand.tables["chunks"]) as cursor:
        payloads = [key[:12] for key in cursor.iternext(values=False)]
    staged = bson.decode(hand.first("staging")[1])["payload_id"].binary
    assert staged in payloads
    with hand.txn.cursor(hand.tables["chunks"]) as cursor:
        assert cursor.set_range(staged)
        assert cursor.delete()


REPAIRABLE = [
    Case("a name is lost", lambda hand: hand.delete("tasks._id", TASK), ["key-missing"]),
    Case(
        "a name leads elsewhere",
        lambda hand: hand.put("tasks._id", TASK, NUMBER.pack(10**6)),
        ["key-missing"],
    ),
    Case("a name leads nowhere", lambda hand: hand.put("tasks._id", b"ghost", NUMBER.pack(10**6)), ["key-stray"]),
    Case(
        "an index entry is lost",
        lambda hand: hand.delete("tasks.workflow_id", b"w0", hand.row("tasks", TASK)),
        ["index-missing"],
    ),
    Case(
        "an index entry leads nowhere",
        lambda hand: hand.put("tasks.workflow_id", b"w0", NUMBER.pack(10**6)),
        ["index-stray"],
    ),
    Case(
        "an index entry is that of another value",
        lambda hand: hand.put("tasks.workflow_id", b"w500", hand.row("tasks", TASK)),
        ["index-stray"],
    ),
    Case(
        "a digest is not indexed",
        lambda hand: hand.delete("payload_digests", *hand.first("payload_digests")),
        ["index-missing"],
    ),
    Case(
        "the index of digests leads nowhere",
        lambda hand: hand.put("payload_digests", b"d" * 32, b"p" * 12),
        ["index-stray"],
    ),
    Case(
        "a version names another one before it",
        lambda hand: hand.change("object_history", LARGE_1, prev_version=7),
        ["version-link"],
    ),
    Case("the log forgot its bounds", lambda hand: hand.delete(META, b"log"), ["log-bounds"]),
    Case("the log's size is wrong", lambda hand: hand.flip(META, b"log"), ["log-bounds"]),
    Case(
        "something is kept for events that were trimmed",
        lambda hand: hand.put("event_requests", NUMBER.pack(10**6), b"\x01x"),
        ["log-stray"],
    ),
    Case("a message is not known", lambda hand: hand.delete("messages", b"m3"), ["message-missing"]),
    Case("a message is of no event", lambda hand: hand.put("messages", b"ghost", NUMBER.pack(3)), ["message-stray"]),
    Case(
        "a payload's reference is lost",
        lambda hand: hand.delete("payload_references", hand.payload("objects", text_key("large"))),
        ["reference-missing"],
    ),
    Case(
        "a payload's references are counted wrong",
        lambda hand: hand.flip("payload_references", hand.payload("objects", text_key("large")), 15),
        ["reference-wrong"],
    ),
    Case(
        "a payload is in use by nobody",
        lambda hand: hand.put("payload_references", b"p" * 12, bytes(48)),
        ["reference-stray"],
    ),
    Case(
        "a payload in use is to be removed",
        lambda hand: hand.put("payload_garbage", hand.payload("objects", text_key("large")), b""),
        ["reference-wrong"],
    ),
    Case("small bytes are of no version", lambda hand: hand.put("small_payloads", b"p" * 12, b"x"), ["payload-stray"]),
    Case(
        "bytes are of no version", lambda hand: hand.put("chunks", b"p" * 12 + bytes(8), b"x"), ["leftover"], "payloads"
    ),
    Case("an upload has lost bytes", _unfinished_upload, ["staging"], "payloads"),
    Case("an upload cannot be read", lambda hand: hand.put("staging", b"u", b"?"), ["staging"], "payloads"),
    Case(
        "a result would be kept for ever",
        lambda hand: hand.delete("request_times", *hand.first("request_times")),
        ["request"],
    ),
]

LOST = [
    Case(
        "a document cannot be decoded",
        lambda hand: hand.put("tasks", hand.row("tasks", TASK), b"not BSON at all"),
        ["document-unreadable"],
    ),
    Case("there are two documents of a name", _duplicate, ["document-duplicate"]),
    Case(
        "the last bytes of a version are lost",
        lambda hand: hand.delete("chunks", *_chunk(hand, -1)),
        ["payload-missing"],
        "payloads",
    ),
    Case(
        "a byte of a version is another",
        lambda hand: hand.flip("chunks", _chunk(hand, 0)[0], 17),
        ["payload-corrupt"],
        "payloads",
    ),
    Case(
        "a byte of a small version is another",
        lambda hand: hand.flip("small_payloads", hand.payload("objects", text_key("inside"))),
        ["payload-corrupt"],
    ),
    Case("a block of events is lost", lambda hand: hand.delete("events", hand.nth("events", 2)[0]), ["log-gap"]),
    Case(
        "the last block of events is lost", lambda hand: hand.delete("events", hand.nth("events", -1)[0]), ["log-gap"]
    ),
    Case("a block cannot be decoded", lambda hand: _garble(hand, b"\xff" * 50), ["log-unreadable"]),
    Case("a block lacks its last event", lambda hand: _garble(hand, b""), ["log-unreadable"]),
    Case("a consumer is ahead", lambda hand: hand.put("consumers", b"c", NUMBER.pack(10**6)), ["consumer"]),
    Case("a result cannot be read", lambda hand: hand.put("requests", hand.first("requests")[0], b"?"), ["request"]),
]


def _chunk(hand: Hand, number: int) -> tuple[bytes, bytes]:
    staged = bson.decode(hand.first("staging")[1])["payload_id"].binary
    with hand.txn.cursor(hand.tables["chunks"]) as cursor:
        rows = [(key, value) for key, value in cursor if key[:12] != staged and len(value) >= 1 << 20]
    first = rows[0][0][:12]
    return [row for row in rows if row[0][:12] == first][number]


def _garble(hand: Hand, end: bytes) -> None:
    key, value = hand.nth("events", 1)
    hand.put("events", key, value[:100] + end if end else value[:16])
    bounds = bytearray(hand.get(META, b"log"))
    size = int.from_bytes(bounds[16:], "big") - len(value) + len(hand.get("events", key))
    hand.put(META, b"log", bytes(bounds[:16]) + size.to_bytes(8, "big"))


def named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def test_a_sound_store_is_clean(store: Path) -> None:
    done = check(store)

    assert done.code == 0, done.out
    assert done.json["clean"]
    assert done.json["findings"] == []
    assert done.json["checked"]["documents"] == {
        "tasks": 750,
        "workflows": 0,
        "agents": 0,
        "objects": 4,
        "object_history": 7,
    }
    assert done.json["checked"]["payloads"] == 10
    assert done.json["checked"]["staged_uploads"] == 1
    assert done.json["checked"]["staged_bytes"] == 3 << 20
    assert done.json["checked"]["events"] == 1262


@named(REPAIRABLE)
def test_what_follows_from_something_else_is_repaired(store: Path, original: Path, case: Case) -> None:
    with inside(store, case.role) as hand:
        case.damage(hand)

    found = check(store)
    assert (found.code, kinds(found)) == (0 if case.finds == ["leftover"] else 6, case.finds), found.out
    assert found.json["findings"][0]["repairable"]
    repaired = check(store, "--repair")
    assert (repaired.code, kinds(repaired), repaired.json["repaired"]) == (0, case.finds, len(case.finds))
    again = check(store)
    assert (again.code, kinds(again)) == (0, [])
    with opened(lmdb_address(store)) as held, opened(lmdb_address(original)) as sound:
        assert contents(held) == contents(sound)


@named(LOST)
def test_what_is_lost_is_reported_and_left_alone(store: Path, case: Case) -> None:
    with inside(store, case.role) as hand:
        case.damage(hand)

    found = check(store)
    assert (found.code, kinds(found)) == (6, case.finds), found.out
    assert not found.json["findings"][0]["repairable"]
    before = (store / case.role / "data.mdb").read_bytes()
    repaired = check(store, "--repair")
    assert (repaired.code, repaired.json["repaired"]) == (6, 0)
    assert (store / case.role / "data.mdb").read_bytes() == before
    assert kinds(check(store)) == case.finds


def test_a_lost_version_is_a_gap_of_its_history(store: Path) -> None:
    with inside(store, "records") as hand:
        row = hand.row("object_history", LARGE_1)
        hand.delete("object_history", row)

    found = check(store)
    assert found.code == 6
    gaps = [one for one in found.json["findings"] if not one["repairable"]]
    assert [(one["kind"], one["what"]) for one in gaps] == [("version-missing", "large version 1")]
    # What led to it leads nowhere now, and its bytes are in use by nobody.
    assert {one["kind"] for one in found.json["findings"]} - {"version-missing"} == {
        "key-stray",
        "index-stray",
        "reference-stray",
    }
    check(store, "--repair")
    assert kinds(check(store)) == ["version-missing"]


def test_a_version_without_a_latest_one_is_found(store: Path) -> None:
    with inside(store, "records") as hand:
        hand.change("objects", text_key("inside"), version=1, prev_version=0)

    found = check(store)
    assert (found.code, kinds(found)) == (6, ["version-orphan"])
    assert found.json["findings"][0]["what"] == "inside version 1"


def test_a_whole_index_is_made_anew(store: Path, original: Path) -> None:
    with inside(store, "records") as hand:
        for name in ("tasks._id", "tasks.workflow_id", "objects.type", "object_history._id"):
            hand.txn.drop(hand.tables[name], delete=False)

    assert check(store, "--repair").code == 0
    assert check(store).json["findings"] == []
    with opened(lmdb_address(store)) as held, opened(lmdb_address(original)) as sound:
        assert contents(held) == contents(sound)
        assert held.records.get(Collection.TASKS, "t3") == sound.records.get(Collection.TASKS, "t3")


def test_a_damaged_version_is_named(store: Path) -> None:
    with inside(store, "records") as hand:
        payload = hand.payload("objects", text_key("small"))
    with inside(store, "payloads") as hand:
        hand.flip("chunks", payload + bytes(8))

    finding = check(store).json["findings"][0]
    # The metadata of version 2 was updated: version 3 has the same bytes.
    assert finding["what"] == "small version 3, small version 2"


def test_a_running_store_is_checked_but_not_repaired(store: Path, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with ServerProcess(tmp_path / "server", data_dir=store) as server:
        assert check(store).code == 0
        refused = check(store, "--repair")
        assert refused.code == 5
        assert f"in use by process {server.pid}" in refused.err


def test_a_backup_is_checked_as_it_is(store: Path, tmp_path: Path) -> None:
    assert run_here("backup", str(tmp_path / "backup"), "--data-dir", str(store)).code == 0
    held = sorted(path.name for path in (tmp_path / "backup").rglob("*"))

    assert check(tmp_path / "backup").code == 0
    assert sorted(path.name for path in (tmp_path / "backup").rglob("*")) == held


def test_what_is_wrong_is_said_in_words(store: Path) -> None:
    with inside(store, "records") as hand:
        hand.delete("tasks._id", TASK)

    done = run_here("check", "--in-process", "--data-dir", str(store))

    assert done.code == 6
    assert "key-missing: tasks t3: the document is not found by its name [repairable]" in done.out
    assert "1 things are wrong" in done.out
    assert "--repair" in done.err


@pytest.mark.parametrize("role", ["records", "payloads"])
def test_a_file_that_was_cut_off_is_found(store: Path, role: str) -> None:
    file = store / role / "data.mdb"
    with file.open("r+b") as opened_file:
        opened_file.truncate(file.stat().st_size // 8)

    done = run_command("check", "--data-dir", str(store), "--json")

    assert done.code == 6
    assert kinds(done) == ["database-unreadable"]


def test_damaged_pages_end_the_check_with_a_finding(store: Path) -> None:
    file = store / "records" / "data.mdb"
    with file.open("r+b") as opened_file:
        for page in range(2, file.stat().st_size // 4096):
            opened_file.seek(page * 4096 + 10)
            opened_file.write(b"\xff\xff")

    done = run_command("check", "--data-dir", str(store), "--json")

    assert (done.code, "Traceback" in done.err) in {(1, False), (6, False)}, done.err


def test_there_must_be_a_store(tmp_path: Path) -> None:
    assert check(tmp_path / "nowhere").code == 3
    assert check(tmp_path, "--repair").code == 3
    assert list(tmp_path.iterdir()) == []


def test_mongodb_is_refused_with_what_to_do_instead() -> None:
    done = run_here("check", "--in-process", "--store", "mongodb")
    assert done.code == 2
    assert "transfer --verify" in done.err
