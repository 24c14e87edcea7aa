"""SIGKILL of the database, of a service replica, and of both, under load: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from pymongo import MongoClient

from flowcept.v1.event_pb2 import EVENT_KIND_OBJECT
from flowcept.v1.provenance_service_pb2 import SubscribeRequest
from flowcept_service.domain.retention import Retention
from flowcept_service.events.codec import ProtobufEventEncoder
from flowcept_service.storage.mongodb import MongodbSettings, MongodbStorage
from tests.support.blobs import MIB, Blobs, pattern
from tests.support.conditions import eventually
from tests.support.load import MESSAGES, Publisher, Subscriber, reconnecting, resume
from tests.support.mongod import Mongod
from tests.support.provenance import events_until, find, subscribe
from tests.support.server import ServerProcess

REPLICAS = 2
PATIENCE = 100.0
"""Seconds in which everything must have recovered: the server takes so long to end the transaction of an upload."""


@pytest.fixture
def mongod() -> Iterator[Mongod]:
    with Mongod() as mongod:
        yield mongod


class Cluster:
    """Service replicas on one database."""

    def __init__(self, mongod: Mongod, directory: Path, stack: ExitStack) -> None:
        self.mongod = mongod
        self.replicas = []
        for number in range(REPLICAS):
            (directory / str(number)).mkdir()
            server = ServerProcess(
                directory / str(number), "--store", "mongodb", environ={"FLOWCEPT_SERVICE_MONGODB_URI": mongod.uri}
            )
            self.replicas.append(stack.enter_context(server))

    def kill_database(self) -> None:
        self.mongod.kill()
        self.mongod.restart()

    def kill_replica(self) -> None:
        self.replicas[0].restart()

    def kill_both(self) -> None:
        self.mongod.kill()
        self.replicas[0].kill()
        self.mongod.restart()
        self.replicas[0].start()


class Uploader:
    """Uploads object after object, each until it is committed: small ones in one step, large ones in several."""

    def __init__(self, target: str, number: int, stop: threading.Event) -> None:
        self.committed: dict[str, bytes] = {}
        self._target = target
        self._number = number
        self._stop = stop

    def run(self) -> None:
        options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
        with grpc.insecure_channel(self._target, [*options, ("grpc.use_local_subchannel_pool", 1)]) as channel:
            number = 0
            while not self._stop.is_set():
                name = f"u{self._number}-{number}"
                data = pattern(20 * MIB if number % 3 == 2 else 100_000, seed=number)
                resume(Blobs(channel), data, name, name)
                self.committed[name] = data
                number += 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("killed", ["kill_database", "kill_replica", "kill_both"])
def test_kills_under_load_lose_and_double_nothing(mongod: Mongod, tmp_path: Path, killed: str) -> None:
    stop = threading.Event()
    last = [2**63]
    moments = random.Random(killed)
    with ExitStack() as stack:
        cluster = Cluster(mongod, tmp_path, stack)
        pool = stack.enter_context(ThreadPoolExecutor(16))
        # A failure ends the clients too, which would otherwise go on for ever.
        stack.callback(last.insert, 0, 0)
        stack.callback(stop.set)
        targets = [replica.target for replica in cluster.replicas]
        publishers = [Publisher(target, number, stop) for number, target in enumerate(targets)]
        uploaders = [Uploader(target, number, stop) for number, target in enumerate(targets)]
        subscribers = [Subscriber(target) for target in targets]
        working = [pool.submit(run) for run in [c.run for c in publishers] + [c.run for c in uploaders]]
        following = [pool.submit(subscriber.run, lambda: last[0]) for subscriber in subscribers]

        for _ in range(3):
            _wait_for_growth([publisher.acknowledged for publisher in publishers], working)
            time.sleep(moments.uniform(0.0, 0.3))  # anywhere within a batch or a chunk
            getattr(cluster, killed)()
        _wait_for_growth([publisher.acknowledged for publisher in publishers], working)
        _wait_for_growth([uploader.committed for uploader in uploaders], working, 1)
        stop.set()
        for future in working:
            future.result(PATIENCE)

        with reconnecting(targets[1]) as stub:
            last[0] = log = next(stub.Subscribe(SubscribeRequest())).last_sequence
            for future in following:
                future.result(PATIENCE)
            events = events_until(subscribe(stub, after_sequence=0), log)
            records = find(stub)
        with grpc.insecure_channel(targets[1]) as channel:
            for uploader in uploaders:
                for name, data in uploader.committed.items():
                    assert Blobs(channel).get(name) == data
                    assert Blobs(channel).versions(name) == [0]

    names = [name for publisher in publishers for name in publisher.acknowledged]
    assert Counter(record.get("activity_id", record["task_id"]) for record in records) == Counter(names)
    assert [event.sequence for event in events] == list(range(1, log + 1))
    committed = [name for uploader in uploaders for name in uploader.committed]
    assert sorted(event.id for event in events if event.kind == EVENT_KIND_OBJECT) == sorted(committed)
    assert len(events) == len(records) + len(committed)
    for subscriber in subscribers:
        assert subscriber.sequences == list(range(1, log + 1))
    _assert_no_orphan_after_the_sweep(mongod.uri, len(committed))


def _wait_for_growth(counted: list[Any], working: list[Future[None]], enough: int = MESSAGES * 5) -> None:
    before = [len(client) for client in counted]

    def grown() -> bool:
        for future in working:
            if future.done():
                future.result()  # a client that gave up says why
        return all(len(client) >= start + enough for client, start in zip(counted, before, strict=True))

    eventually(grown, PATIENCE)


def _assert_no_orphan_after_the_sweep(uri: str, objects: int) -> None:
    later = datetime.now(UTC) + timedelta(days=3)
    storage = MongodbStorage(MongodbSettings(uri), ProtobufEventEncoder(), lambda: later)
    try:
        storage.sweep(Retention(events_seconds=1e9), later)
        storage.sweep(Retention(events_seconds=1e9), later + timedelta(days=1))
    finally:
        storage.close()
    with MongoClient[dict[str, Any]](uri) as client:
        database = client["flowcept"]
        files = {file["_id"]: file for file in database["fs.files"].find()}
        assert len(files) == objects
        assert set(database["fs.chunks"].distinct("files_id")) == set(files)
        for file in files.values():
            expected = -(-file["length"] // file["chunkSize"])
            assert database["fs.chunks"].count_documents({"files_id": file["_id"]}) == expected
        for name in ("service.uploads", "service.garbage"):
            assert database[name].count_documents({}) == 0
