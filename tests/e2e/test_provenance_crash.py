"""SIGKILL of the service under load: what was acknowledged is there, once, and every subscriber learns of it, once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bson

from flowcept.v1.event_pb2 import EVENT_ACTION_CREATED
from flowcept.v1.provenance_service_pb2 import SubscribeRequest
from tests.support.conditions import eventually
from tests.support.load import MESSAGES, Publisher, Subscriber, reconnecting
from tests.support.provenance import DEADLINE, events_until, find, subscribe
from tests.support.server import ServerProcess

PUBLISHERS = 3
SUBSCRIBERS = 3
KILLS = 3


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
