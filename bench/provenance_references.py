"""What the provenance benchmark compares with, timed in the same run: BSON alone, LMDB alone, gRPC alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import bson
import grpc
import lmdb

from bench.provenance_clients import BATCH, batch, connect, task
from flowcept.v1.provenance_service_pb2 import PublishRequest, PublishResponse, SubscribeRequest, SubscribeResponse


def bson_rate(count: int) -> float:
    """Documents that are encoded and decoded in a second."""
    tasks = [task(number) for number in range(count)]
    began = time.perf_counter()
    for document in tasks:
        bson.decode(bson.encode(document))
    return count / (time.perf_counter() - began)


def lmdb_rate(directory: Path, count: int) -> float:
    """Documents that LMDB stores in a second, durably, a batch in a transaction: only the bytes, no index, no event."""
    documents = [bson.encode(task(number)) for number in range(count)]
    with lmdb.open(str(directory), map_size=8 << 30) as environment:
        began = time.perf_counter()
        for start in range(0, count, BATCH):
            with environment.begin(write=True) as transaction:
                for number, document in enumerate(documents[start : start + BATCH], start):
                    transaction.put(number.to_bytes(8, "big"), document, append=True)
        return count / (time.perf_counter() - began)


def null_publish_rate(target: str, count: int) -> float:
    """Tasks that reach a service in a second that parses them and forgets them, one batch after the other."""
    stub = connect(target)
    batches = [batch(start) for start in range(0, count, BATCH)]
    began = time.perf_counter()
    for request in batches:
        stub.Publish(request)
    return count / (time.perf_counter() - began)


def null_stream_rate(target: str, batches: int) -> float:
    """Events that arrive in a second from a service that sends one response of about 1 MiB again and again."""
    stub = connect(target)
    began = time.perf_counter()
    received = sum(len(response.events) for response in stub.Subscribe(SubscribeRequest(after_sequence=batches)))
    return received / (time.perf_counter() - began)


@contextmanager
def null_service(events: Sequence[bytes]) -> Iterator[str]:
    """The target of a gRPC server in a process of its own that stores nothing.

    Args:
        events: A response to send, as one of the service.
    """
    with Popen([sys.executable, "-m", "bench.provenance_references"], stdin=PIPE, stdout=PIPE) as process:
        if process.stdout is None or process.stdin is None:
            raise AssertionError("pipes were asked for")
        response = b"".join(events)
        process.stdin.write(len(response).to_bytes(8, "big") + response)
        process.stdin.flush()
        yield f"127.0.0.1:{process.stdout.readline().decode().strip()}"
        process.stdin.close()


def _serve() -> None:
    size = int.from_bytes(sys.stdin.buffer.read(8), "big")
    response = sys.stdin.buffer.read(size)

    def publish(request: PublishRequest, context: grpc.ServicerContext) -> PublishResponse:  # noqa: ARG001 - gRPC's
        return PublishResponse(stored_count=len(request.messages))

    def subscribe(request: SubscribeRequest, context: grpc.ServicerContext) -> Iterator[bytes]:  # noqa: ARG001 - gRPC's
        for _ in range(request.after_sequence):
            yield response

    server = grpc.server(futures.ThreadPoolExecutor(16))
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Publish": grpc.unary_unary_rpc_method_handler(
            publish, PublishRequest.FromString, PublishResponse.SerializeToString
        ),
        "Subscribe": grpc.unary_stream_rpc_method_handler(subscribe, SubscribeRequest.FromString),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("flowcept.v1.Provenance", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()  # until the parent closes the pipe, however it ends
    server.stop(0)


def responses_of(target: str, size: int) -> list[bytes]:
    """Events of the service, encoded as in its responses, until they are of some size together."""
    taken: list[bytes] = []
    stream = connect(target).Subscribe(SubscribeRequest(after_sequence=0))
    for response in stream:
        taken += [SubscribeResponse(events=[event]).SerializeToString() for event in response.events]
        if sum(map(len, taken)) >= size:
            break
    stream.cancel()
    return taken[: max(1, size * len(taken) // sum(map(len, taken)))]


if __name__ == "__main__":
    _serve()
