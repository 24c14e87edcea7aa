"""`flowcept-service restore`: all of a backup or nothing, and what clients see of a log that went back in time."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowcept.v1.provenance_service_pb2 import AcknowledgeRequest, SubscribeRequest
from flowcept_service.domain.records import Collection
from flowcept_service.domain.replication import ReplicaBatch, RowChange, RowKey
from flowcept_service.replication.state import CopyProgress, ReplicaState, Stage
from tests.conformance.copying import contents
from tests.support.backups import backed_up, filled
from tests.support.blobs import pattern
from tests.support.load import reconnecting
from tests.support.provenance import batch, events_until, find, refused, subscribe, task
from tests.support.server import ServerProcess
from tests.support.stores import lmdb_address, opened, run_command, run_here, save, tasks


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The data directory of a store that holds some of everything, and is not open."""
    return filled(tmp_path / "data")


@pytest.mark.parametrize("name", ["records/data.mdb", "payloads/data.mdb"])
def test_a_damaged_backup_is_not_restored(store: Path, tmp_path: Path, name: str) -> None:
    backup = backed_up(store, tmp_path / "backup")
    with (backup / name).open("r+b") as file:
        file.seek(20_000)
        byte = file.read(1)
        file.seek(20_000)
        file.write(bytes((byte[0] ^ 1,)))

    done = run_here("restore", str(backup), "--data-dir", str(tmp_path / "new"))

    assert done.code == 6
    assert f"{name} has" in done.err
    assert not (tmp_path / "new").exists()


def test_a_backup_that_ends_early_is_not_restored(store: Path, tmp_path: Path) -> None:
    archive = backed_up(store, tmp_path / "backup.tar")
    data = archive.read_bytes()
    for size in (0, 1000, len(data) // 2, len(data) - 12_000):
        archive.write_bytes(data[:size])
        done = run_here("restore", str(archive), "--data-dir", str(tmp_path / "new"))
        assert done.code == 6, done.err
        assert not (tmp_path / "new").exists()


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        (tmp_path / "file").write_text("x")
        tar.add(tmp_path / "file", "../../escaped")

    done = run_here("restore", str(tmp_path / "evil.tar"), "--data-dir", str(tmp_path / "new" / "data"))

    assert done.code == 6
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path.parent / "escaped").exists()


def test_a_restore_overwrites_nothing(store: Path, tmp_path: Path) -> None:
    backup = backed_up(store, tmp_path / "backup")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")

    for directory in (store, tmp_path / "home"):
        done = run_here("restore", str(backup), "--data-dir", str(directory))
        assert done.code == 1
        assert "is not empty" in done.err
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["thesis.txt"]


def test_a_directory_that_a_server_holds_is_refused(store: Path, tmp_path: Path) -> None:
    backup = backed_up(store, tmp_path / "backup")
    with ServerProcess(tmp_path / "backup", data_dir=tmp_path / "served") as server:
        done = run_here("restore", str(backup), "--data-dir", str(server.data_dir))
        assert done.code == 5
        assert f"in use by process {server.pid}" in done.err


def test_a_new_volume_is_restored_into(store: Path, tmp_path: Path) -> None:
    """A mounted directory cannot be renamed, and a new file system is not quite empty."""
    backup = backed_up(store, tmp_path / "backup")
    (tmp_path / "volume" / "lost+found").mkdir(parents=True)

    done = run_here("restore", str(backup), "--data-dir", str(tmp_path / "volume"))

    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "volume").iterdir()) == [
        "flowcept.lock",
        "lost+found",
        "payloads",
        "records",
    ]


def test_an_interrupted_restore_is_seen_and_can_be_repeated(store: Path, tmp_path: Path) -> None:
    backup = backed_up(store, tmp_path / "backup")
    new = tmp_path / "new"
    # As a restore leaves it that is killed between its last two steps.
    shutil.copytree(backup / "payloads", new / "payloads")
    shutil.copytree(backup / "records", new / "restore.partial" / "records")

    served = run_command("serve", "--data-dir", str(new), "--listen", "127.0.0.1:0")
    copied = run_here("backup", str(tmp_path / "other"), "--data-dir", str(new))
    assert (served.code, copied.code) == (1, 1)
    assert "restore` with the same directory again" in served.err

    done = run_here("restore", str(backup), "--data-dir", str(new), "--keep-sequence")
    assert done.code == 0, done.err
    with opened(lmdb_address(store)) as original, opened(lmdb_address(new)) as restored:
        assert contents(restored) == contents(original)


class TestSequences:
    """What clients see of a log that went back in time."""

    @pytest.fixture
    def restored(self, tmp_path: Path) -> Iterator[tuple[ServerProcess, int]]:
        """A service with the restored log, and the last sequence of the original, which went on after the backup."""
        (tmp_path / "one").mkdir()
        with ServerProcess(tmp_path / "one") as server, reconnecting(server.target) as stub:
            stub.Publish(batch(*(task(f"t{n}", f"m{n}") for n in range(10))))
            subscribe(stub, consumer="durable", edge="LOG_EDGE_EARLIEST").cancel()
            stub.Acknowledge(AcknowledgeRequest(consumer="durable", sequence=6))
            backed_up(server.data_dir, tmp_path / "backup")
            stub.Publish(batch(*(task(f"lost{n}", f"lost{n}") for n in range(10))))
        done = run_here("restore", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "two"))
        assert done.code == 0, done.err
        (tmp_path / "new").mkdir()
        with ServerProcess(tmp_path / "new", data_dir=tmp_path / "two") as server:
            yield server, 20

    def test_an_old_position_is_refused_and_never_skips_silently(self, restored: tuple[ServerProcess, int]) -> None:
        server, last = restored
        with reconnecting(server.target) as stub:
            stub.Publish(batch(*(task(f"new{n}", f"new{n}") for n in range(20))))
            for position in (5, 10, 15, last):
                with refused() as errors:
                    next(stub.Subscribe(SubscribeRequest(after_sequence=position)))
                assert errors[0].reason == "EVENTS_TRIMMED"
                assert int(errors[0].metadata["oldest_sequence"]) > 10**15

    def test_a_durable_consumer_goes_on_where_it_was(self, restored: tuple[ServerProcess, int]) -> None:
        server, _ = restored
        with reconnecting(server.target) as stub:
            stub.Publish(batch(task("new", "new")))
            stream = stub.Subscribe(SubscribeRequest(consumer="durable"))
            first = next(stream)
            events = [*first.events, *events_until(stream, first.last_sequence)]
        assert [event.id for event in events] == ["t6", "t7", "t8", "t9", "new"]
        assert [event.sequence - events[0].sequence for event in events] == list(range(5))

    def test_the_events_of_the_backup_can_be_replayed(self, restored: tuple[ServerProcess, int]) -> None:
        server, _ = restored
        with reconnecting(server.target) as stub:
            stream = stub.Subscribe(SubscribeRequest(edge="LOG_EDGE_EARLIEST"))
            first = next(stream)
            events = [*first.events, *events_until(stream, first.last_sequence)]
        assert [event.id for event in events] == [f"t{n}" for n in range(10)]

    def test_repeated_messages_are_still_known(self, restored: tuple[ServerProcess, int]) -> None:
        server, _ = restored
        with reconnecting(server.target) as stub:
            response = stub.Publish(batch(*(task(f"t{n}", f"m{n}") for n in range(10))))
            assert (response.stored_count, response.duplicate_count) == (0, 10)
            assert len(find(stub)) == 10


def test_two_restores_of_one_backup_share_no_numbers(store: Path, tmp_path: Path) -> None:
    backup = backed_up(store, tmp_path / "backup")
    oldest = []
    for name in ("first", "second"):
        done = run_here("restore", str(backup), "--data-dir", str(tmp_path / name), "--json")
        with opened(lmdb_address(tmp_path / name)) as restored:
            restored.records.write(tasks(5000, 10))
            oldest.append((done.json["oldest_sequence"], restored.events.bounds()))
    (_, first), (second_oldest, _) = oldest
    assert first.last < second_oldest


@pytest.mark.parametrize("keep", [False, True])
def test_a_follower_of_the_lost_store_becomes_a_copy_of_the_restored_one(
    store: Path, tmp_path: Path, keep: bool
) -> None:
    def followed(source: Path) -> Any:
        return run_here(
            "transfer", "--from", lmdb_address(source), "--to", lmdb_address(tmp_path / "copy"), "--verify", "--json"
        )

    assert followed(store).code == 0
    backup = backed_up(store, tmp_path / "backup")
    with opened(lmdb_address(store)) as lost:
        lost.records.write(tasks(5000, 10))
        save(lost, "large", pattern(300 << 10, seed=77))
    assert followed(store).code == 0
    restored = ["restore", str(backup), "--data-dir", str(tmp_path / "new")]
    assert run_here(*restored, *(["--keep-sequence"] if keep else [])).code == 0

    done = followed(tmp_path / "new")

    if keep:
        # The copy has events that the restored store never had: numbers would be given twice.
        assert done.code != 0
        return
    assert done.code == 0, done.err + done.out
    with opened(lmdb_address(tmp_path / "new")) as original, opened(lmdb_address(tmp_path / "copy")) as copy:
        assert contents(copy) == contents(original)


def test_an_unfinished_copy_stays_one(store: Path, tmp_path: Path) -> None:
    """Its numbers are those of its source, and its versions are of different moments: that is no damage."""
    progress = CopyProgress(Stage.COPY, Collection.TASKS, b"", 0, 0, prune=False)
    state = ReplicaState("the source", 0, progress).encode()
    with opened(lmdb_address(store)) as copy:
        gap = RowChange(RowKey(Collection.OBJECT_HISTORY, "large", 1), None)
        copy.replica.apply(ReplicaBatch(state, rows=[gap]))
        last = copy.events.bounds().last
    backup = backed_up(store, tmp_path / "backup")
    assert run_here("check", "--in-process", "--data-dir", str(backup)).code == 0

    done = run_here("restore", str(backup), "--data-dir", str(tmp_path / "new"), "--json")

    assert done.json["last_sequence"] == last
    with opened(lmdb_address(tmp_path / "new")) as restored:
        assert restored.replica.state() == state


def test_a_restored_copy_goes_on_following_with_the_numbers_kept(store: Path, tmp_path: Path) -> None:
    def followed(copy: Path) -> int:
        return run_here("transfer", "--from", lmdb_address(store), "--to", lmdb_address(copy), "--verify").code

    assert followed(tmp_path / "copy") == 0
    backup = backed_up(tmp_path / "copy", tmp_path / "backup")
    with opened(lmdb_address(store)) as original:
        original.records.write(tasks(5000, 10))
    assert run_here("restore", str(backup), "--data-dir", str(tmp_path / "new"), "--keep-sequence").code == 0

    assert followed(tmp_path / "new") == 0

    with opened(lmdb_address(store)) as original, opened(lmdb_address(tmp_path / "new")) as copy:
        assert contents(copy) == contents(original)
