"""The client side of the provenance benchmark: what publishes, follows and asks, each in processes of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any
from uuid import UUID

import bson
import grpc

from flowcept.v1.document_pb2 import Document
from flowcept.v1.provenance_service_pb2 import PublishMessage, PublishRequest, QueryRequest, SubscribeRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub

BATCH = 500
TASKS_OF_A_WORKFLOW = 200
TASKS_OF_A_CAMPAIGN = 20_000
IN_FLIGHT = 4
EPOCH = 1_750_000_000.0
PROCESSES = get_context("spawn")  # gRPC does not survive a fork


@dataclass(frozen=True, slots=True)
class Span:
    """When something that was measured began and ended, on the machine's monotonic clock."""

    began: float
    ended: float
    count: int

    @property
    def rate_alone(self) -> float:
        """Count per second."""
        return self.count / (self.ended - self.began)

    @staticmethod
    def rate(spans: Sequence[Span]) -> float:
        """Count per second of spans that ran at the same time."""
        return sum(span.count for span in spans) / (max(s.ended for s in spans) - min(s.began for s in spans))


def workflow_id(number: int) -> str:
    """The workflow of a task."""
    return str(UUID(int=number // TASKS_OF_A_WORKFLOW))


def campaign_id(number: int) -> str:
    """The campaign of a task."""
    return str(UUID(int=(1 << 64) + number // TASKS_OF_A_CAMPAIGN))


def task(number: int) -> dict[str, Any]:
    """An ordinary task of about 500 bytes, as a capturing client sends it."""
    return {
        "type": "task",
        "task_id": f"1750000000.123456_{number}_4711_140245",
        "workflow_id": workflow_id(number),
        "campaign_id": campaign_id(number),
        "activity_id": "train",
        "used": {"lr": 0.01, "epochs": 10, "number": number, "model": {"layers": [64, 64, 10], "name": "mlp"}},
        "generated": {"loss": 0.5, "accuracy": 0.9, "checkpoint": f"/scratch/run/{number}.pt"},
        "started_at": EPOCH + number,
        "ended_at": EPOCH + number + 0.5,
        "status": "FINISHED",
        "hostname": "node-1",
        "user": "researcher",
    }


def batch(first: int, count: int = BATCH) -> PublishRequest:
    """A batch of tasks, encoded."""
    return PublishRequest(
        messages=[
            PublishMessage(message_id=f"m{number}", document=Document(bson=bson.encode(task(number))))
            for number in range(first, first + count)
        ]
    )


def connect(target: str) -> ProvenanceStub:
    """A stub on a connection of its own that is ready."""
    channel = grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)])
    grpc.channel_ready_future(channel).result(timeout=30)
    return ProvenanceStub(channel)


def publish(target: str, first: int, count: int, in_flight: int) -> Span:
    """Encode and publish tasks in batches, some of them under way at once."""
    stub = connect(target)
    under_way: deque[Any] = deque()
    began = time.monotonic()
    for start in range(first, first + count, BATCH):
        if len(under_way) == in_flight:
            under_way.popleft().result()
        under_way.append(stub.Publish.future(batch(start)))
    for call in under_way:
        call.result()
    return Span(began, time.monotonic(), count)


def publish_steadily(target: str, first: int, per_second: int, seconds: float) -> Span:
    """Publish batches of 100 tasks at a steady rate."""
    stub = connect(target)
    began = time.monotonic()
    sent = 0
    while (now := time.monotonic()) < began + seconds:
        if sent / per_second <= now - began:
            stub.Publish(batch(first + sent, 100))
            sent += 100
        else:
            time.sleep(0.001)
    return Span(began, time.monotonic(), sent)


def replay(target: str, subscribers: int, until: int) -> list[Span]:
    """Subscribers that replay the log up to a sequence at the same time."""
    stubs = [connect(target) for _ in range(subscribers)]
    together = threading.Barrier(subscribers)
    spans: list[Span] = []

    def follow(stub: ProvenanceStub) -> None:
        together.wait()
        began = time.monotonic()
        received = 0
        stream = stub.Subscribe(SubscribeRequest(after_sequence=0))
        for response in stream:
            received += len(response.events)
            if response.position >= until:
                break
        spans.append(Span(began, time.monotonic(), received))
        stream.cancel()

    threads = [threading.Thread(target=follow, args=(stub,)) for stub in stubs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return spans


def latencies(target: str, first: int, count: int) -> list[float]:
    """Seconds from handing over one task to having its event, one after the other."""
    stub = connect(target)
    wanted = {f"1750000000.123456_{number}_4711_140245" for number in range(first, first + count)}
    arrived: dict[str, float] = {}
    arrival = threading.Condition()
    stream = stub.Subscribe(SubscribeRequest())
    next(stream)

    def follow() -> None:
        for response in stream:
            now = time.monotonic()
            mine = [event.id for event in response.events if event.id in wanted]
            with arrival:
                arrived.update(dict.fromkeys(mine, now))
                arrival.notify_all()
            if len(arrived) == count:
                return

    follower = threading.Thread(target=follow)
    follower.start()
    taken = []
    for number in range(first, first + count):
        message = batch(number, 1)
        task_id = f"1750000000.123456_{number}_4711_140245"
        began = time.monotonic()
        stub.Publish(message)
        with arrival:
            while task_id not in arrived:
                arrival.wait()
        taken.append(arrived[task_id] - began)
        time.sleep(0.005)
    follower.join()
    stream.cancel()
    return taken


def query(target: str, request: QueryRequest) -> Span:
    """Run a query, and parse its results."""
    stub = connect(target)
    began = time.monotonic()
    received = sum(len(response.documents) for response in stub.Query(request))
    return Span(began, time.monotonic(), received)


def in_processes(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run calls at the same time, each in a process of its own."""
    with PROCESSES.Pool(len(calls)) as pool:
        return pool.starmap(function, calls, chunksize=1)


def chunks(count: int, parts: int) -> Iterator[tuple[int, int]]:
    """Where each of several equal shares begins, and its size."""
    share = count // parts
    return ((index * share, share) for index in range(parts))
