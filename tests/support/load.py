"""Clients under load that never give up: they publish, upload and follow through every outage."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import grpc

from flowcept.v1.provenance_service_pb2 import PublishRequest, SubscribeRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.blobs import Blobs, chunks, commit, failure_of, header
from tests.support.provenance import DEADLINE, message, task

MESSAGES = 20
"""In one batch: some tasks that bring their id, some whose id the service makes."""
RETRYABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


@contextmanager
def reconnecting(target: str) -> Iterator[ProvenanceStub]:
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
    with grpc.insecure_channel(target, [*options, ("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield ProvenanceStub(channel)


class Publisher:
    """Publishes batch after batch, each again and again until it is acknowledged.

    Args:
        target: The service.
        number: Makes the names of its messages its own.
        stop: Ends it after the batch under way.
        pause: Seconds between two batches.
    """

    def __init__(self, target: str, number: int, stop: threading.Event, pause: float = 0.0) -> None:
        self.acknowledged: list[str] = []
        self._pause = pause
        self._target = target
        self._number = number
        self._stop = stop

    def run(self) -> None:
        with reconnecting(self._target) as stub:
            for number in count():
                names = [f"p{self._number}-{number}-{index}" for index in range(MESSAGES)]
                self._publish(stub, names)
                self.acknowledged += names
                if self._stop.wait(self._pause):
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
    """Follows the log behind a sequence, and goes on behind its last position whenever the stream breaks."""

    def __init__(self, target: str, after: int = 0) -> None:
        self.sequences: list[int] = []
        self.position = after
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


def resume(blobs: Blobs, data: bytes, upload_id: str, object_id: str, *, control_version: bool = True) -> None:
    """Upload until it is committed, as the contract tells clients: ask for the offset, go on from there."""
    begin = header(upload_id, object_id, control_version=control_version)
    while True:
        try:
            state = blobs.staged(upload_id)
            rest = [] if state.HasField("object") else [*chunks(data, start=state.staged_bytes)]
            blobs.upload([begin, *rest, commit(data)])
        except grpc.RpcError as error:
            if failure_of(error).code not in RETRYABLE:
                raise
            time.sleep(0.01)
        else:
            return
