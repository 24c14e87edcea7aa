"""Ending one of two services on a database while clients of both are busy: nothing is lost, and nothing is doubled.

The clients are those of this package, with both addresses in their target. Each service in turn is told to end, and
comes back, as in an upgrade.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from io import BytesIO
from itertools import count
from typing import Any

import pytest

from flowcept.config import ClientSettings
from flowcept.consumers import BaseConsumer, EventMessage
from flowcept.db import DBAPI
from flowcept.transport import Connection, publish, subscribe
from tests.support.blobs import MIB, pattern
from tests.support.conditions import eventually
from tests.support.mongod import Mongod
from tests.support.server import ServerProcess

PATIENCE = 60.0
LARGE = 9 * MIB
"""A payload that travels in many messages, and is staged before it is complete."""

Replica = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """Starts services on one database."""
    with Mongod() as mongod, ExitStack() as stack:

        def start(drain_seconds: float = 20.0) -> ServerProcess:
            environ = {
                "FLOWCEPT_SERVICE_MONGODB_URI": mongod.uri,
                "FLOWCEPT_SERVICE_DRAIN_SECONDS": str(drain_seconds),
                "FLOWCEPT_SERVICE_HTTP_LISTEN": "127.0.0.1:0",
            }
            arguments = ("--store", "mongodb", "--log-format", "json")
            return stack.enter_context(ServerProcess(tmp_path_factory.mktemp("replica"), *arguments, environ=environ))

        yield start


def settings_for(*replicas: ServerProcess) -> ClientSettings:
    """Settings of a client of several services."""
    target = f"ipv4:{','.join(replica.target for replica in replicas)}"
    return ClientSettings.load(
        environ={}, target=target, retry={"initial_backoff": 0.05, "max_backoff": 0.5}, idle_timeout=PATIENCE
    )


class Load:
    """Threads that work until they are told to stop, each with what it was promised."""

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.stop = threading.Event()
        self.published: list[str] = []
        self.saved: dict[str, int] = {}
        self.queried = 0
        self.deleted: list[str] = []

    def publish(self) -> None:
        """Publish batches; what a call returns is durable."""
        with Connection(self.settings) as connection:
            for number in count():
                names = [f"task-{number}-{index}" for index in range(10)]
                done = publish(connection, [{"type": "task", "task_id": name, "workflow_id": "w"} for name in names])
                assert done.stored + done.duplicates == len(names)
                self.published += names
                if self.stop.is_set():
                    return

    def upload(self) -> None:
        """Upload objects, large and small."""
        with DBAPI(self.settings) as db:
            for number in count():
                size = LARGE if number % 2 else 1000
                object_id = db.save_or_update_object(pattern(size, number), object_id=f"object-{number}")
                self.saved[object_id] = number
                if self.stop.is_set():
                    return

    def query(self) -> None:
        """Ask for everything, again and again."""
        with DBAPI(self.settings) as db:
            while not self.stop.is_set():
                known = len(self.published)
                found = db.task_query({"workflow_id": "w"}, projection=["task_id"]) or []
                assert len(found) >= known
                self.queried += 1

    def delete(self) -> None:
        """Delete records: calls that nothing repeats once they may have happened."""
        with DBAPI(self.settings) as db, Connection(self.settings) as connection:
            for number in count():
                name = f"deleted-{number}"
                publish(connection, [{"type": "task", "task_id": name, "workflow_id": name}])
                assert db.delete_workflow_data(name)["tasks"] == 1
                self.deleted.append(name)
                if self.stop.is_set():
                    return


class Follower(BaseConsumer):
    """Writes down which events it was handed."""

    def __init__(self, settings: ClientSettings, **options: Any) -> None:
        super().__init__(settings=settings, deletions=True, acknowledge_interval=0.1, **options)
        self.sequences: list[int] = []

    def message_handler(self, msg_obj: EventMessage) -> bool:
        self.sequences.append(msg_obj.event.sequence)
        return True


def test_clients_of_two_services_notice_nothing_of_an_upgrade(replica: Replica) -> None:
    replicas = [replica(), replica()]
    settings = settings_for(*replicas)
    load = Load(settings)
    following = Follower(settings)
    durable = Follower(settings, name="durable")
    with ExitStack() as stack:
        connection = stack.enter_context(Connection(settings))
        start = _end_of_log(connection)
        for consumer in (following, durable):
            # Also where the test fails: its thread would go on for ever.
            stack.callback(consumer.stop_consumption)
            consumer.start()
        pool = stack.enter_context(ThreadPoolExecutor(8))
        stack.callback(load.stop.set)
        jobs: list[Callable[[], None]] = [load.publish, load.upload, load.query, load.delete]
        working = [pool.submit(job) for job in jobs]
        for server in replicas:
            _work_goes_on(load, working)
            _upgrade(server)
        _work_goes_on(load, working)
        load.stop.set()
        for future in working:
            future.result(PATIENCE)
        last = _end_of_log(connection)
        for consumer in (following, durable):
            assert consumer.catch_up(PATIENCE)

    with DBAPI(settings) as db:
        stored = Counter(task["task_id"] for task in db.task_query({"workflow_id": "w"}, projection=["task_id"]))
        assert stored == Counter(load.published)
        for object_id, number in load.saved.items():
            blob = db.get_blob_object(object_id)
            assert blob.version == 0, "an upload was committed twice"
            assert blob.data == pattern(blob.object_size_bytes or 0, number)
    everything = list(range(start + 1, last + 1))
    assert following.sequences == everything
    assert durable.sequences == everything


class Hesitating(BytesIO):
    """A file that has no more to read, at some place, until it is told to go on."""

    def __init__(self, data: bytes, place: int) -> None:
        super().__init__(data)
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self._place = place

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._place:
            self.reached.set()
            assert self.go_on.wait(PATIENCE)
        return super().read(size)


def test_an_upload_that_outlasts_the_grace_period_goes_on_at_another_service_where_it_was(replica: Replica) -> None:
    data = pattern(3 * LARGE, seed=7)
    file = Hesitating(data, 2 * LARGE)
    sent: list[int] = []
    ending, staying = replica(0.1), replica()
    with ThreadPoolExecutor(1) as pool, DBAPI(settings_for(ending, staying)) as db:
        staying.kill()  # so that the upload begins at the other one
        upload = pool.submit(
            db.save_or_update_object, file, object_id="hesitant", progress=lambda done, total: sent.append(done)
        )
        assert file.reached.wait(PATIENCE)
        staying.start()
        ending.signal(signal.SIGTERM)
        assert ending.wait(PATIENCE) == 0
        assert "calls outlast the grace period" in ending.log.read_text()
        before = len(sent)
        file.go_on.set()
        upload.result(PATIENCE)
        assert db.get_blob_object("hesitant").data == data
        assert db.get_blob_object("hesitant").version == 0
    assert min(sent[before:]) > LARGE, "what had arrived was sent again"


def _end_of_log(connection: Connection) -> int:
    with subscribe(connection) as probe:
        return probe.open()


def _work_goes_on(load: Load, working: list[Future[None]]) -> None:
    """Wait until each job has come further."""
    before = (len(load.published), len(load.saved), load.queried, len(load.deleted))

    def further() -> bool:
        for future in working:
            if future.done():
                future.result()
        now = (len(load.published), len(load.saved), load.queried, len(load.deleted))
        return all(new > old for new, old in zip(now, before, strict=True))

    eventually(further, PATIENCE)


def _upgrade(replica: ServerProcess) -> None:
    """End a service as its platform does, and start it again."""
    replica.signal(signal.SIGTERM)
    assert replica.wait(PATIENCE) == 0
    log = replica.log.read_text()
    assert "calls outlast the grace period" not in log
    assert log.count('"event": "stopped"') >= 1
    replica.start()
