"""Hostile clients, each as a process of its own: ``python -m tests.support.hostile KIND TARGET TOKEN``.

It says ``ready`` on its standard output once it is doing its worst, and goes on until it is killed.
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc

from flowcept.v1.blob_store_service_pb2 import DownloadRequest, GetUploadRequest
from flowcept.v1.provenance_service_pb2 import QueryRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.blobs import Blobs, header
from tests.support.provenance import document
from tests.support.security import sending

ROOT = Path(__file__).resolve().parents[2]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""How an HTTP/2 client begins: the preface, and empty settings."""
CONNECTIONS = 1500
STREAMS = 200


def random_bytes(target: str, token: str) -> None:
    """Connects, sends noise, some of it behind a good beginning, and comes back."""
    del token
    source = random.Random(1)
    _ready()
    while True:
        with suppress(OSError), socket.create_connection(_address(target), timeout=1) as connection:
            connection.sendall(PREFACE * source.randint(0, 1) + source.randbytes(source.choice((1, 100, 10_000))))


def many_connections(target: str, token: str) -> None:
    """Holds many connections; every other one speaks HTTP/2, and never answers a ping."""
    del token
    held = []
    for number in range(CONNECTIONS):
        with suppress(OSError):
            connection = socket.create_connection(_address(target), timeout=1)
            if number % 2:
                connection.sendall(PREFACE)
            held.append(connection)
    _ready()
    threading.Event().wait()


def idle_uploads(target: str, token: str) -> None:
    """Opens uploads that send a header and then nothing, as many as it may and more."""
    with _channel(target, token) as channel:
        silence = threading.Event()

        def messages(number: int) -> Iterator[Any]:
            yield header(f"idle-{number}", f"idle-{number}")
            silence.wait()

        _repeat(lambda n: Blobs(channel).stub.Upload.future(messages(n)))


def unread_streams(target: str, token: str) -> None:
    """Begins downloads and queries, and never reads them."""
    with _channel(target, token) as channel:
        _repeat(
            lambda n: (
                Blobs(channel).stub.Download(DownloadRequest(object_id="large")),
                ProvenanceStub(channel).Query(QueryRequest(collection="COLLECTION_TASKS")),
            )
        )


def silent_calls(target: str, token: str) -> None:
    """Begins calls that never send their request."""
    with _channel(target, token) as channel:
        silence = threading.Event()
        methods = ("flowcept.v1.BlobStore/GetObject", "flowcept.v1.Provenance/Query", "grpc.health.v1.Health/Check")
        calls: list[Any] = [channel.stream_unary(f"/{method}") for method in methods]
        _repeat(lambda n: [call.future(iter(silence.wait, True)) for call in calls])


def giant_headers(target: str, token: str) -> None:
    """Sends calls with metadata of every size."""
    _loop(
        target,
        token,
        lambda channel, n: Blobs(channel).stub.GetUpload(
            GetUploadRequest(upload_id="x"), metadata=_metadata(n), timeout=5
        ),
    )


def deep_filters(target: str, token: str) -> None:
    """Asks queries that are too deep, too large, or as deep and large as is allowed."""
    filters = [_nested(depth) for depth in (10, 24, 49, 90)]
    filters += [{"$or": [{f"used.a{n}": {"$gt": n}} for n in range(count)]} for count in (300, 5000)]
    _loop(target, token, lambda channel, n: _query(channel, filters[n % len(filters)]))


def regex_bombs(target: str, token: str) -> None:
    """Asks queries whose patterns cost others their sleep."""
    patterns = ["(x+x+)+y", "(?:.*[ab].{200}){3}[^x]$", "(x|xx|xxx)*y", "(?:x?){300}x{300}[^x]", "x*x*x*x*x*x*y"]
    _loop(target, token, lambda channel, n: _query(channel, {"used.text": {"$regex": patterns[n % len(patterns)]}}))


KINDS: Mapping[str, Callable[[str, str], None]] = {
    kind.__name__: kind
    for kind in (
        random_bytes,
        many_connections,
        idle_uploads,
        unread_streams,
        silent_calls,
        giant_headers,
        deep_filters,
        regex_bombs,
    )
}


def hostile(kind: str, target: str, token: str) -> AbstractContextManager[None]:
    """A hostile client at work, from when it is ready until the end."""
    return _at_work([sys.executable, "-m", "tests.support.hostile", kind, target, token])


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Processes that keep a core busy each, and have nothing to do with the service."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(_at_work([sys.executable, "-S", "-c", "print('ready', flush=True)\nwhile True: pass"]))
        yield


@contextmanager
def _at_work(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield
        assert process.poll() is None, "the process has ended by itself"
    finally:
        process.kill()
        process.communicate()


def _metadata(number: int) -> tuple[tuple[str, str], ...]:
    size = (100, 8_000, 15_000, 17_000, 200_000, 2_000_000)[number % 6]
    return tuple((f"x-{part}", "v" * min(size, 60_000)) for part in range(max(1, size // 60_000)))


def _nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {"a": 1}
    for _ in range(depth // 2):
        value = {"$and": [value]}
    return value


def _query(channel: grpc.Channel, filter: dict[str, Any]) -> None:
    request = QueryRequest(collection="COLLECTION_TASKS", filter=document(filter))
    list(ProvenanceStub(channel).Query(request, timeout=30))


def _loop(target: str, token: str, attack: Callable[[grpc.Channel, int], Any]) -> None:
    """Attack without a pause, in a few threads."""

    def work(start: int) -> None:
        with _channel(target, token) as channel:
            number = start
            while True:
                with suppress(grpc.RpcError):
                    attack(channel, number)
                number += 1

    for start in range(4):
        threading.Thread(target=work, args=(start,), daemon=True).start()
    _ready()
    threading.Event().wait()


def _repeat(begin: Callable[[int], Any]) -> None:
    """Begin streams, and begin new ones as the old ones are ended."""
    held: list[Any] = [begin(number) for number in range(STREAMS)]
    _ready()
    for number in range(STREAMS, 1 << 30):
        time.sleep(0.02)
        held[number % STREAMS] = begin(number)


@contextmanager
def _channel(target: str, token: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield sending(channel, token)


def _address(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return host, int(port)


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2], sys.argv[3])
