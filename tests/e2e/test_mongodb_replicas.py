"""Several service processes on one database: one order, seen by everybody, and consumers that move between them."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest

from flowcept.v1.event_pb2 import EVENT_KIND_OBJECT, EVENT_KIND_TASK, Event
from flowcept.v1.provenance_service_pb2 import AcknowledgeRequest, PublishRequest, SubscribeRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.blobs import MIB, Blobs, chunks, commit, header, pattern
from tests.support.conditions import PATIENCE
from tests.support.load import Publisher, Subscriber, reconnecting
from tests.support.mongod import Mongod
from tests.support.provenance import events_until, find, subscribe, task
from tests.support.server import ServerProcess

PROMPT = 0.5
"""Seconds within which most events of another replica must arrive, on a busy machine; milliseconds are usual."""


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    with Mongod() as mongod, ExitStack() as stack:
        environ = {"FLOWCEPT_SERVICE_MONGODB_URI": mongod.uri}
        yield [
            stack.enter_context(
                ServerProcess(tmp_path_factory.mktemp("replica"), "--store", "mongodb", environ=environ)
            )
            for _ in range(4)
        ]


def last_sequence(target: str) -> int:
    with reconnecting(target) as stub:
        return next(stub.Subscribe(SubscribeRequest())).last_sequence


@pytest.mark.parametrize("count", [2, 4])
def test_all_replicas_write_one_gap_free_log_that_every_subscriber_sees(
    replicas: list[ServerProcess], count: int
) -> None:
    targets = [replica.target for replica in replicas[:count]]
    stop = threading.Event()
    last = [2**63]
    start = last_sequence(targets[0])
    subscribers = [Subscriber(target, start) for target in targets]
    publishers = [Publisher(target, count * 100 + number, stop) for number, target in enumerate(targets)]
    versions: list[int] = []

    def save_versions(target: str, number: int) -> None:
        with grpc.insecure_channel(target) as channel:
            for index in range(10):
                data = pattern(300_000, seed=index)
                saved = Blobs(channel).put(data, f"{count}-{number}-{index}", f"shared-{count}", control_version=True)
                versions.append(saved.version)

    with ThreadPoolExecutor(16) as pool, ExitStack() as stack:
        stack.callback(last.insert, 0, 0)
        stack.callback(stop.set)
        following = [pool.submit(subscriber.run, lambda: last[0]) for subscriber in subscribers]
        publishing = [pool.submit(publisher.run) for publisher in publishers]
        saving = [pool.submit(save_versions, target, number) for number, target in enumerate(targets)]
        for future in saving:
            future.result(PATIENCE)
        stop.set()
        for future in publishing:
            future.result(PATIENCE)
        last[0] = log = last_sequence(targets[-1])
        for future in following:
            future.result(PATIENCE)
    with reconnecting(targets[-1]) as stub:
        events = events_until(subscribe(stub, after_sequence=start), log)
        names = [name for publisher in publishers for name in publisher.acknowledged]
        wanted = {"activity_id": {"$in": names}}
        records = [*find(stub, {"task_id": {"$in": names}}), *find(stub, wanted)]

    assert [event.sequence for event in events] == list(range(start + 1, log + 1))
    assert all(subscriber.sequences == list(range(start + 1, log + 1)) for subscriber in subscribers)
    assert Counter(record.get("activity_id", record["task_id"]) for record in records) == Counter(names)
    assert sum(event.kind == EVENT_KIND_TASK for event in events) == len(names)
    assert sorted(versions) == list(range(count * 10))
    committed = [event.object_version for event in events if event.kind == EVENT_KIND_OBJECT]
    assert committed == sorted(versions), "versions are committed in the order of their events"


def test_an_event_of_another_replica_arrives_promptly(replicas: list[ServerProcess]) -> None:
    with reconnecting(replicas[0].target) as near, reconnecting(replicas[1].target) as far:
        stream = subscribe(far)
        delays = []
        for number in range(20):
            before = time.monotonic()
            near.Publish(PublishRequest(messages=[task(f"prompt-{number}")]))
            while not next(stream).events:
                pass
            delays.append(time.monotonic() - before)
        stream.cancel()

    assert statistics.median(delays) < PROMPT


def test_a_durable_consumer_moves_between_replicas(replicas: list[ServerProcess]) -> None:
    def read(target: str, count: int) -> list[str]:
        with reconnecting(target) as stub:
            stream = subscribe(stub, consumer="mover")
            events: list[Event] = []
            while len(events) < count:
                events += [event for event in next(stream).events if event.id.startswith("moving-")]
            stream.cancel()
            stub.Acknowledge(AcknowledgeRequest(consumer="mover", sequence=events[count - 1].sequence))
            return [event.id for event in events[:count]]

    with reconnecting(replicas[0].target) as stub:
        stub.Acknowledge(AcknowledgeRequest(consumer="mover", sequence=last_sequence(replicas[0].target)))
        for number in range(8):
            stub.Publish(PublishRequest(messages=[task(f"moving-{number}")]))

    seen = [name for replica in replicas for name in read(replica.target, 2)]

    assert seen == [f"moving-{number}" for number in range(8)]


def test_an_upload_resumes_on_another_replica(replicas: list[ServerProcess]) -> None:
    data = pattern(20 * MIB + 12_345, seed=5)
    with grpc.insecure_channel(replicas[0].target) as channel:
        part = data[: 9 * MIB + 1]
        assert Blobs(channel).refused([header("moved", "moved"), *chunks(part)]).reason == "UPLOAD_NOT_COMMITTED"

    with grpc.insecure_channel(replicas[1].target) as channel:
        blobs = Blobs(channel)
        staged = blobs.staged("moved").staged_bytes
        blobs.upload([header("moved", "moved"), *chunks(data, start=staged), commit(data)])

    assert staged == len(part)
    with grpc.insecure_channel(replicas[2].target) as channel:
        assert Blobs(channel).get("moved") == data
        assert Blobs(channel).get("moved", offset=261_119, length=3) == data[261_119:261_122]


def test_one_message_through_two_replicas_is_stored_once(replicas: list[ServerProcess]) -> None:
    with ThreadPoolExecutor(4) as pool:

        def publish(target: str) -> int:
            with grpc.insecure_channel(target) as channel:
                stub = ProvenanceStub(channel)
                messages = [task(f"once-{number}", f"once-{number}") for number in range(50)]
                return stub.Publish(PublishRequest(messages=messages)).stored_count

        stored = list(pool.map(publish, [replica.target for replica in replicas]))

    assert sum(stored) == 50
