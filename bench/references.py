"""What the benchmarks compare with, timed in the same run: the plain disk, and gRPC that stores nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

import grpc

from flowcept.v1 import blob_store_service_pb2 as blob_pb
from flowcept.v1 import blob_store_service_pb2_grpc as blob_grpc

MIB = 1 << 20
CHUNK = MIB


def durable_write_seconds(path: Path, payload: memoryview) -> float:
    """Seconds to write the bytes to a new file in 1 MiB calls, with fdatasync."""
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(payload), CHUNK):
            file.write(payload[start : start + CHUNK])
        os.fdatasync(file.fileno())
    return time.perf_counter() - started


def read_seconds(path: Path) -> float:
    """Seconds to read the file in 1 MiB calls."""
    buffer = bytearray(CHUNK)
    started = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - started


class _NullBlobStore(blob_grpc.BlobStoreServicer):
    """Receives and sends through the generated stubs, and stores nothing."""

    def Upload(
        self, request_iterator: Iterator[blob_pb.UploadRequest], _context: grpc.ServicerContext
    ) -> blob_pb.UploadResponse:
        for _ in request_iterator:
            pass
        return blob_pb.UploadResponse()

    def Download(
        self, request: blob_pb.DownloadRequest, _context: grpc.ServicerContext
    ) -> Iterator[blob_pb.DownloadResponse]:
        chunk = bytes(CHUNK)
        for offset in range(0, request.length, CHUNK):
            data = chunk if request.length - offset >= CHUNK else chunk[: request.length - offset]
            yield blob_pb.DownloadResponse(chunk=blob_pb.DownloadChunk(offset=offset, data=data))


def _serve_null() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(16))
    # Abstract, for the other calls are nobody's.
    blob_grpc.add_BlobStoreServicer_to_server(_NullBlobStore(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()  # until the parent closes the pipe, however it ends
    server.stop(0)


@contextmanager
def null_server() -> Iterator[str]:
    """The target of a gRPC server in a process of its own that stores nothing."""
    with Popen([sys.executable, "-m", "bench.references"], stdin=PIPE, stdout=PIPE, text=True) as process:
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            raise AssertionError("pipes were asked for")
        yield f"127.0.0.1:{stdout.readline().strip()}"
        stdin.close()


class NullConnection:
    """Calls of the null server, through generated stubs with default settings."""

    def __init__(self, channel: grpc.Channel) -> None:
        grpc.channel_ready_future(channel).result()
        self._stub = blob_grpc.BlobStoreStub(channel)

    def upload(self, payload: memoryview) -> None:
        """Stream the bytes in 1 MiB chunks."""
        self._stub.Upload(_chunks(payload))

    def download(self, size: int) -> None:
        """Receive as many bytes in 1 MiB chunks."""
        received = sum(len(part.chunk.data) for part in self._stub.Download(blob_pb.DownloadRequest(length=size)))
        if received != size:
            raise AssertionError(f"{received} bytes of {size} came back")


def _chunks(payload: memoryview) -> Iterator[blob_pb.UploadRequest]:
    for start in range(0, len(payload), CHUNK):
        data = bytes(payload[start : start + CHUNK])
        yield blob_pb.UploadRequest(chunk=blob_pb.UploadChunk(offset=start, data=data))


@contextmanager
def null_connection(target: str) -> Iterator[NullConnection]:
    """A connection to the null server, open for the length of the block."""
    with grpc.insecure_channel(target) as channel:
        yield NullConnection(channel)


def null_upload_seconds(target: str, payload: memoryview) -> float:
    """Seconds to stream the bytes to the null server."""
    with null_connection(target) as connection:
        started = time.perf_counter()
        connection.upload(payload)
        return time.perf_counter() - started


def null_download_seconds(target: str, size: int) -> float:
    """Seconds to stream as many bytes from the null server."""
    with null_connection(target) as connection:
        started = time.perf_counter()
        connection.download(size)
        return time.perf_counter() - started


if __name__ == "__main__":
    _serve_null()
