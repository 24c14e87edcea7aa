"""SIGKILL of the service under load: what was acknowledged is there, once, and every subscriber learns of it, once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import bson
import grpc

from flowcept.v1.event_pb2 import EVENT_ACTION_CREATED
from flowcept.v1.provenance_service_pb2 import PublishRequest, SubscribeRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.conditions import eventually
from tests.support.provenance import DEADLINE, events_until, find, message, subscribe, task
from tests.support.server import ServerProcess

PUBLISHERS = 3
SUBSCRIBERS = 3
KILLS = 3
MESSAGES = 20
"""In one batch: some tasks that bring their id, some whose id the service makes."""


@contextmanager
def reconnecting(target: str) -> Iterator[ProvenanceStub]:
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
    with grpc.insecure_channel(target, [*options, ("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield ProvenanceStub(channel)


class Publisher:
    """Publishes batch after batch, each again and again until it is acknowledged."""

    def __init__(self, target: str, number: int, stop: threading.Event) -> None:
        self.acknowledged: list[str] = []
        self._target = target
        self._number = number
        self._stop = stop

    def run(self) -> None:
        with reconnecting(self._target) as stub:
            for number in count():
                names = [f"p{self._number}-{number}-{index}" for index in range(MESSAGES)]
                self._publish(stub, names)
                self.acknowledged += names
                if self._stop.is_set():
                    return

    def _publish(self, stub: ProvenanceStub, names: list[str]) -> None:
        messages = [
            task(name, name, workflow_id="w") if index % 2 else message({"type": "task", "activity_id": name}, name)
            for index, name in enumerate(names)
        ]
        while True:
            try:
                response = stub.Publish(PublishRequest(messages=messages), timeout=DEADLINE, wait_for_ready=True)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                continue
            assert response.stored_count + response.duplicate_count == MESSAGES
            return


class Subscriber:
    """Follows the log from its beginning, and goes on behind its last position whenever the stream breaks."""

    def __init__(self, target: str) -> None:
        self.sequences: list[int] = []
        self.position = 0
        self._target = target

    def run(self, until: Callable[[], int]) -> None:
        with reconnecting(self._target) as stub:
            while self.position < until():
                request = SubscribeRequest(after_sequence=self.position, heartbeat_interval={"nanos": 200_000_000})
                stream = stub.Subscribe(request, wait_for_ready=True)
                try:
                    for response in stream:
                        self.sequences += [event.sequence for event in response.events]
                        self.position = response.position
                        if self.position >= until():
                            break
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                stream.cancel()


def test_what_was_acknowledged_survives_sigkill_exactly_once(tmp_path: Path) -> None:
    stop = threading.Event()
    last = [2**63]
    with ServerProcess(tmp_path) as server, ThreadPoolExecutor(PUBLISHERS + SUBSCRIBERS) as pool:
        publishers = [Publisher(server.target, number, stop) for number in range(PUBLISHERS)]
        subscribers = [Subscriber(server.target) for _ in range(SUBSCRIBERS)]
        publishing = [pool.submit(publisher.run) for publisher in publishers]
        following = [pool.submit(subscriber.run, lambda: last[0]) for subscriber in subscribers]

        def acknowledged() -> int:
            return sum(len(publisher.acknowledged) for publisher in publishers)

        for _ in range(KILLS):
            _wait_for_growth(acknowledged)
            server.restart()
        _wait_for_growth(acknowledged)
        stop.set()
        for future in publishing:
            future.result(DEADLINE)

        with reconnecting(server.target) as stub:
            log = next(stub.Subscribe(SubscribeRequest())).last_sequence
            last[0] = log
            for future in following:
                future.result(DEADLINE)
            events = events_until(subscribe(stub, after_sequence=0), log)
            records = find(stub)

    names = [name for publisher in publishers for name in publisher.acknowledged]
    published = Counter(record.get("activity_id", record["task_id"]) for record in records)
    assert published == Counter(names), "each acknowledged message is one record, and there are no others"
    assert [event.sequence for event in events] == list(range(1, log + 1))
    assert {event.action for event in events} == {EVENT_ACTION_CREATED}
    assert sorted(event.id for event in events) == sorted(record["task_id"] for record in records)
    assert all(bson.decode(event.document.bson)["task_id"] == event.id for event in events)
    for subscriber in subscribers:
        assert subscriber.sequences == list(range(1, log + 1))


def _wait_for_growth(acknowledged: Callable[[], int]) -> None:
    enough = acknowledged() + PUBLISHERS * MESSAGES * 10
    eventually(lambda: acknowledged() >= enough, DEADLINE)
