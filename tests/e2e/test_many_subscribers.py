"""Many subscribers of a busy service, some of which read nothing for a while."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc

from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.conditions import PATIENCE, eventually
from tests.support.provenance import EventStream, batch, events_until, subscribe, task
from tests.support.server import ServerProcess

SUBSCRIBERS = 200
STALLED = 10
ROUNDS = 80
TASKS = 6
PADDING = "x" * 2000
MIB = 1 << 20


@contextmanager
def connected(target: str) -> Iterator[ProvenanceStub]:
    # A connection each, as if from another machine: a stream that is not read must hold up nothing but itself.
    with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield ProvenanceStub(channel)


class Follower:
    """Reads a stream in a thread, and notes how long after its commit each event arrived."""

    def __init__(self, stream: EventStream) -> None:
        self.sequences: list[int] = []
        self.lags: list[float] = []
        self._stream = stream
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for response in self._stream:
                now = time.time()
                for event in response.events:
                    self.sequences.append(event.sequence)
                    self.lags.append(now - event.commit_time.seconds - event.commit_time.nanos / 1e9)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.CANCELLED:
                raise

    def stop(self) -> None:
        self._stream.cancel()
        self._thread.join(PATIENCE)


def test_ten_of_200_subscribers_that_read_nothing_delay_nobody_and_catch_up(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server, ExitStack() as opened:
        stubs = [opened.enter_context(connected(server.target)) for _ in range(SUBSCRIBERS)]
        streams = [subscribe(stub, deadline=100) for stub in stubs]
        stalled = streams[:STALLED]
        followers = [Follower(stream) for stream in streams[STALLED:]]
        publisher = opened.enter_context(connected(server.target))

        _publish(publisher, followers, 10)
        memory_at_first = server.memory_bytes()
        last = _publish(publisher, followers, ROUNDS)
        memory_at_last = server.memory_bytes()

        for follower in followers:
            follower.stop()
            assert follower.sequences == list(range(1, last + 1))
        assert statistics.median(lag for follower in followers for lag in follower.lags) < 1.0
        assert memory_at_last - memory_at_first < 64 * MIB
        for stream in stalled:
            assert [event.sequence for event in events_until(stream, last)] == list(range(1, last + 1))


def _publish(stub: ProvenanceStub, followers: list[Follower], rounds: int) -> int:
    """Publish a few tasks at a time, the next ones when all who read have these; the last sequence."""
    last = 0
    for number in range(rounds):
        tasks = [task(f"{rounds}-{number}-{n}", used={"pad": PADDING}) for n in range(TASKS)]
        last = stub.Publish(batch(*tasks)).last_sequence
        eventually(lambda last=last: all(len(follower.sequences) == last for follower in followers))  # type: ignore[misc]  # bound in this round
    return last
