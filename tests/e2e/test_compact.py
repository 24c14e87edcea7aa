"""`flowcept-service compact`: smaller files with the same content, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest

from flowcept_service.server.stores import now
from flowcept_service.storage.lmdb.offline import Compaction
from tests.conformance.copying import contents
from tests.support.blobs import pattern
from tests.support.server import ServerProcess
from tests.support.stores import fill, lmdb_address, opened, run_here, save, tasks

KILLED = """
import os, signal, sys
from pathlib import Path
from flowcept_service.storage.lmdb.offline import _compact

left = int(sys.argv[2])
def step(what):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def counted(function):
    def call(*arguments, **options):
        step(function)
        result = function(*arguments, **options)
        step(function)
        return result
    return call

_compact._BATCH_ROWS = 400
_compact._batches = (lambda batches: lambda txn, table: (step(rows) or rows for rows in batches(txn, table)))(
    _compact._batches
)
for name in ("flush_directory", "remove_files", "check_room"):
    setattr(_compact, name, counted(getattr(_compact, name)))
Path.replace = counted(Path.replace)
_compact.Compaction(Path(sys.argv[1])).run()
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The data directory of a store from which much was deleted."""
    with opened(lmdb_address(tmp_path / "data")) as filled:
        fill(filled)
        filled.records.write(tasks(2000, 2000, workflow_id="gone", used={"text": "x" * 1000}))
        filled.records.delete("workflow_id", "gone")
        save(filled, "large", pattern(8 << 20), type="dataset")
        filled.payloads.append(filled.payloads.stage("dropped", "other", now()), [pattern(12 << 20, 1)], now())
        filled.payloads.discard("dropped")
        filled.events.acknowledge("durable", 7)
    return tmp_path / "data"


def sizes(store: Path) -> dict[str, int]:
    return {role: (store / role / "data.mdb").stat().st_size for role in ("records", "payloads")}


def digest(store: Path) -> str:
    with opened(lmdb_address(store)) as held:
        return hashlib.sha256(repr(contents(held)).encode()).hexdigest()


def test_files_become_smaller_and_hold_the_same(store: Path) -> None:
    before, content = sizes(store), digest(store)

    done = run_here("compact", "--data-dir", str(store), "--json")

    assert done.code == 0, done.err
    after = sizes(store)
    assert done.json["files"] == [
        {"name": role, "before_bytes": before[role], "after_bytes": after[role]} for role in ("records", "payloads")
    ]
    assert all(after[role] < 0.8 * before[role] for role in before)
    assert digest(store) == content
    assert not (store / "compact.partial").exists()


def test_a_compacted_store_is_written_to_as_before(store: Path, tmp_path: Path) -> None:
    assert run_here("compact", "--data-dir", str(store)).code == 0

    with opened(lmdb_address(store)) as held:
        last = held.events.bounds().last
        held.records.write(tasks(9000, 10, workflow_id="w0"))
        save(held, "large", pattern(3 << 20, 9))
        assert held.events.bounds().last == last + 11
        assert held.events.position("durable") == 7
    assert run_here("compact", "--data-dir", str(store)).code == 0


def test_killed_at_any_moment_the_store_is_whole(store: Path) -> None:
    content = digest(store)
    kills = 0
    for moment in range(1, 200, 5):
        ended = subprocess.run([sys.executable, "-c", KILLED, str(store), str(moment)], check=False)
        assert digest(store) == content
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    assert run_here("compact", "--data-dir", str(store)).code == 0
    assert digest(store) == content
    assert not (store / "compact.partial").exists()


def test_a_store_in_use_is_refused(store: Path, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with ServerProcess(tmp_path / "server", data_dir=store) as server:
        done = run_here("compact", "--data-dir", str(store))
    assert done.code == 5
    assert f"in use by process {server.pid}" in done.err


def test_a_store_that_is_being_backed_up_is_refused(store: Path, tmp_path: Path) -> None:
    from flowcept_service.server.offline import open_backup
    from tests.support.stores import service_settings

    backup = open_backup(service_settings(data_dir=store))
    try:
        done = run_here("compact", "--data-dir", str(store))
    finally:
        backup.close()
    assert done.code == 5
    assert "a backup or a check reads it" in done.err


def test_there_must_be_a_store(tmp_path: Path) -> None:
    assert run_here("compact", "--data-dir", str(tmp_path / "nowhere")).code == 3
    assert run_here("compact", "--data-dir", str(tmp_path)).code == 3
    assert list(tmp_path.iterdir()) == []


def test_tables_that_are_not_known_are_not_dropped(store: Path) -> None:
    with lmdb.open(str(store / "records"), max_dbs=64, map_size=1 << 30, lib_version=0) as environment:
        environment.open_db(b"from_the_future")

    done = run_here("compact", "--data-dir", str(store))

    assert done.code == 1
    assert "from_the_future" in done.err


def test_too_little_room_is_seen_before_anything_is_written(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flowcept_service.storage.lmdb.offline import _writing

    monkeypatch.setattr(_writing, "free_bytes", lambda directory: 1000)
    before = sizes(store)

    done = run_here("compact", "--data-dir", str(store))

    assert done.code == 1
    assert "1,000 are free" in done.err
    assert sizes(store) == before


def test_a_stopped_compaction_changes_nothing(store: Path) -> None:
    content = digest(store)
    compaction = Compaction(store)
    compaction.stop()
    with pytest.raises(Exception, match="interrupted"):
        compaction.run()
    compaction.close()
    assert digest(store) == content
