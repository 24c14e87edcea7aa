"""`flowcept-service check`: a store that is damaged behind its back, in one place at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flowcept_service.domain.objects import ObjectChange, ObjectFields
from flowcept_service.domain.records import Collection
from flowcept_service.server.stores import now
from flowcept_service.storage.lmdb._environment.keys import text_key
from tests.conformance.copying import contents
from tests.support.blobs import pattern
from tests.support.damages import LARGE_1, LOST, REPAIRABLE, SHA_OF_NEW, TASK, Case, Hand, inside
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


@pytest.fixture
def store(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "data")
    return tmp_path / "data"


def check(store: Path, *options: str) -> Finished:
    return run_here("check", "--in-process", "--data-dir", str(store), "--json", *options)


def kinds(done: Finished) -> list[str]:
    return sorted(finding["kind"] for finding in done.json["findings"])


Damage = Callable[[Hand], object]


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
    assert "is cut off" in done.json["findings"][0]["problem"]


@pytest.mark.parametrize("role", ["records", "payloads"])
@pytest.mark.parametrize("command", [("serve", "--listen", "127.0.0.1:0"), ("backup", "elsewhere"), ("compact",)])
def test_a_file_that_was_cut_off_is_refused_before_it_is_read(
    store: Path, role: str, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store)
    file = store / role / "data.mdb"
    os.truncate(file, file.stat().st_size // 2)

    done = run_command(*command, "--data-dir", str(store))

    assert done.code == 1
    assert f"{file} is cut off" in done.err


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
