"""Two stores, the second following the first; and none: on real processes that are killed, stopped and out of disk."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import grpc
import pytest

from flowcept.v1.provenance_service_pb2 import SubscribeRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.domain.records import Collection
from tests.conformance.copying import contents
from tests.support.blobs import Blobs, chunks, commit, header, pattern
from tests.support.conditions import PATIENCE, eventually
from tests.support.disks import small_file_system
from tests.support.mongod import Mongod
from tests.support.provenance import batch, events_until, find, refused, subscribe, task
from tests.support.server import ServerProcess, service_in_process
from tests.support.stores import lmdb_address, opened, run_command


@pytest.fixture(scope="module")
def mongod() -> Iterator[Mongod]:
    with Mongod() as mongod:
        yield mongod


def uri_of(mongod: Mongod, name: str) -> str:
    return mongod.uri.replace("/?", f"/{name}?")


def served(directory: Path, store: str, uri: str, **given: Any) -> ServerProcess:
    environ = {
        "FLOWCEPT_SERVICE_MONGODB_URI": f"{uri}&serverSelectionTimeoutMS=500",
        "FLOWCEPT_SERVICE_SWEEP_SECONDS": "0.5",
    }
    return ServerProcess(directory, "--store", store, environ=environ, **given)


def status(server: ServerProcess) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((server.data_dir / "status.json").read_text())
    return content


def replica(server: ServerProcess) -> dict[str, Any]:
    fields: dict[str, Any] = status(server)["replica"]
    return fields


def wait_level(server: ServerProcess, last: int) -> None:
    """Wait until the replica has all events up to one."""

    def is_level() -> bool:
        found = replica(server)
        return bool(found["phase"] == "following" and found["lag_events"] == 0 and found["position"] >= last)

    eventually(is_level)


def publish(server: ServerProcess, start: int, count: int) -> None:
    with grpc.insecure_channel(server.target) as channel:
        messages = [task(f"t{n}", f"m{n}", workflow_id="w", used={"n": n}) for n in range(start, start + count)]
        response = ProvenanceStub(channel).Publish(batch(*messages), timeout=PATIENCE)
        assert response.stored_count + response.duplicate_count == count


def upload(server: ServerProcess, name: str, data: bytes) -> None:
    with grpc.insecure_channel(server.target) as channel:
        upload_id = f"{name}-{len(data)}"
        Blobs(channel).upload([header(upload_id, name, control_version=True), *chunks(data), commit(data)])


class Load:
    """Publishes and uploads for as long as it is entered, through every outage."""

    def __init__(self, server: ServerProcess) -> None:
        self.tasks = 0
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(grpc.RpcError):
                publish(self._server, self.tasks, 20)
                upload(self._server, f"o{self.tasks % 3}", pattern(200_000 + self.tasks, self.tasks))
                self.tasks += 20

    def wait_for(self, more: int) -> None:
        """Until so many more tasks are published."""
        wanted = self.tasks + more
        eventually(lambda: self.tasks >= wanted)


def assert_same_stores(server: ServerProcess, uri: str) -> None:
    with opened(lmdb_address(server.data_dir)) as embedded, opened(uri) as scaled:
        held, other = contents(embedded), contents(scaled)
    for part, values in held.items():
        assert other[part] == values, part
    assert held["tasks"]


def test_the_second_store_follows_through_kills_of_both(tmp_path: Path, mongod: Mongod) -> None:
    uri = uri_of(mongod, "kills")
    with served(tmp_path, "lmdb,mongodb", uri) as server:
        with Load(server) as load:
            load.wait_for(100)
            server.restart()
            load.wait_for(100)
            mongod.kill()
            load.wait_for(200)  # the service does not need it
            mongod.restart()
            load.wait_for(40)
            server.restart()
        wait_level(server, load.tasks)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0

        assert_same_stores(server, uri)


def test_the_first_store_may_be_away_and_come_back(tmp_path: Path, mongod: Mongod) -> None:
    uri = uri_of(mongod, "primary")
    with served(tmp_path, "mongodb,lmdb", uri) as server:
        with Load(server) as load:
            load.wait_for(100)
            mongod.kill()
            eventually(lambda: replica(server)["lag_events"] is None)
            mongod.restart()
            load.wait_for(100)
        wait_level(server, load.tasks)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0

        assert_same_stores(server, uri)


def test_the_stores_may_change_places(tmp_path: Path, mongod: Mongod) -> None:
    uri = uri_of(mongod, "places")
    with served(tmp_path, "lmdb,mongodb", uri) as server:
        publish(server, 0, 50)
        wait_level(server, 50)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0

    with served(tmp_path, "mongodb,lmdb", uri) as server:
        publish(server, 50, 50)
        wait_level(server, 100)
        with grpc.insecure_channel(server.target) as channel:
            assert len(find(ProvenanceStub(channel), {"workflow_id": "w"})) == 100
        server.signal(signal.SIGTERM)
        assert server.wait() == 0

        assert_same_stores(server, uri)


def test_a_second_store_that_hangs_delays_nobody(tmp_path: Path, mongod: Mongod) -> None:
    with served(tmp_path, "lmdb,mongodb", uri_of(mongod, "hangs")) as server:
        publish(server, 0, 10)
        wait_level(server, 10)
        os.kill(mongod.pid, signal.SIGSTOP)
        try:
            for start in range(10, 1010, 20):
                publish(server, start, 20)  # nothing that waits for the other store ends before that one goes on
            eventually(lambda: replica(server)["lag_events"] >= 1000)
            assert replica(server)["behind_seconds"] > 0
        finally:
            os.kill(mongod.pid, signal.SIGCONT)

        wait_level(server, 1010)


def test_a_service_ends_in_time_while_its_second_store_hangs(tmp_path: Path, mongod: Mongod) -> None:
    with served(tmp_path, "lmdb,mongodb", uri_of(mongod, "ends")) as server:
        publish(server, 0, 10)
        wait_level(server, 10)
        os.kill(mongod.pid, signal.SIGSTOP)
        try:
            for number in range(6):
                upload(server, f"o{number}", pattern(3 << 20, number))
            eventually(lambda: replica(server)["lag_events"] == 6)
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
        finally:
            os.kill(mongod.pid, signal.SIGCONT)

    with served(tmp_path, "lmdb,mongodb", uri_of(mongod, "ends")) as server:
        wait_level(server, 16)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "small", 32) as place:
        yield place


@pytest.mark.may_skip("mounting needs privileges")
def test_a_second_store_without_room_fails_nobody_and_goes_on_when_there_is_some(
    tmp_path: Path, small_disk: Path, mongod: Mongod
) -> None:
    filler = small_disk / "filler"
    with served(tmp_path, "mongodb,lmdb", uri_of(mongod, "disk"), data_dir=small_disk / "data") as server:
        publish(server, 0, 10)
        wait_level(server, 10)
        room = os.statvfs(small_disk)
        filler.write_bytes(bytes(room.f_bavail * room.f_frsize - (2 << 20)))

        data = pattern(5 << 20)
        upload(server, "large", data)
        publish(server, 10, 100)
        eventually(lambda: replica(server)["phase"] == "failing")
        assert "full" in replica(server)["error"]
        with grpc.insecure_channel(server.target) as channel:
            assert Blobs(channel).get("large") == data

        filler.unlink()
        wait_level(server, 111)
        server.kill()
        with opened(lmdb_address(small_disk / "data")) as store:
            assert store.records.count(Collection.TASKS) == 110


def test_status_shows_the_lag_and_what_is_wrong(tmp_path: Path, mongod: Mongod) -> None:
    with served(tmp_path, "lmdb,mongodb", uri_of(mongod, "status")) as server:
        publish(server, 0, 10)
        wait_level(server, 10)
        level = run_command("status", "--data-dir", str(server.data_dir))
        mongod.kill()
        publish(server, 10, 15)
        eventually(lambda: replica(server)["phase"] == "failing")
        failing = run_command("status", "--data-dir", str(server.data_dir), "--json")
        mongod.restart()
        wait_level(server, 25)
        server.kill()
        killed = run_command("status", "--data-dir", str(server.data_dir))
    none = run_command("status", "--data-dir", str(tmp_path / "elsewhere"))

    assert level.code == 0
    assert "following" in level.out
    assert "lag        0 events" in level.out
    assert failing.code == 1
    assert failing.json["running"]
    assert failing.json["replica"]["lag_events"] == 15
    assert failing.json["replica"]["error"]
    assert killed.code == 5
    assert "killed" in killed.out
    assert none.code == 3


def test_the_second_store_may_not_be_there_yet(tmp_path: Path) -> None:
    with Mongod() as mongod:
        mongod.kill()
        with served(tmp_path, "lmdb,mongodb", uri_of(mongod, "late")) as server:
            publish(server, 0, 30)
            mongod.restart()
            wait_level(server, 30)


def test_without_a_database_events_pass_and_the_rest_is_refused(tmp_path: Path) -> None:
    with (
        service_in_process(tmp_path, store="none") as service,
        grpc.insecure_channel(service.target) as channel,
    ):
        stub = ProvenanceStub(channel)
        stream = subscribe(stub, consumer="reader")
        stub.Publish(batch(*(task(f"t{n}", f"m{n}") for n in range(10))), timeout=PATIENCE)

        events = events_until(stream, 10)
        with refused() as queries:
            find(stub)
        failure = Blobs(channel).refused([header(), *chunks(b"data"), commit(b"data")])

        assert [event.sequence for event in events] == list(range(1, 11))
        assert [event.id for event in events] == [f"t{n}" for n in range(10)]
        again = stub.Subscribe(SubscribeRequest(after_sequence=4), timeout=PATIENCE)
        assert [event.sequence for event in events_until(again, 10)] == list(range(5, 11))
        assert queries[0].reason.value == "NO_DATABASE"
        assert "--store lmdb" in queries[0].message
        assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_DATABASE")
        assert not (tmp_path / "records").exists()
