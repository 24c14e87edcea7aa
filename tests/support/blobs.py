"""A client of BlobStore as another language would write it: the generated stubs, nothing of ours around them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from flowcept.errors import FlowceptError
from flowcept.status import DETAILS_KEY, decode_status
from flowcept.v1.blob_object_pb2 import BlobObject
from flowcept.v1.blob_store_service_pb2 import (
    DownloadRequest,
    GetObjectRequest,
    GetUploadRequest,
    GetUploadResponse,
    ListVersionsRequest,
    UploadChunk,
    UploadCommit,
    UploadHeader,
    UploadRequest,
    UploadResponse,
)
from flowcept.v1.blob_store_service_pb2_grpc import BlobStoreStub
from tests.support.conditions import PATIENCE

KIB = 1 << 10
MIB = 1 << 20


def sha256(data: bytes) -> str:
    """The digest as the contract writes it."""
    return hashlib.sha256(data).hexdigest()


def header(upload_id: str = "upload", object_id: str = "object", **fields: Any) -> UploadRequest:
    """A message with a header."""
    return UploadRequest(header=UploadHeader(upload_id=upload_id, object_id=object_id, **fields))


def chunk(offset: int, data: bytes) -> UploadRequest:
    """A message with a chunk."""
    return UploadRequest(chunk=UploadChunk(offset=offset, data=data))


def commit(data: bytes) -> UploadRequest:
    """A message with the commit of a payload."""
    return UploadRequest(commit=UploadCommit(object_size_bytes=len(data), data_sha256=sha256(data)))


def chunks(data: bytes, start: int = 0, size: int = MIB) -> Iterator[UploadRequest]:
    """A payload in messages, from an offset on."""
    for offset in range(start, len(data), size):
        yield chunk(offset, data[offset : offset + size])


def pattern(size: int, seed: int = 0) -> bytes:
    """Bytes that differ at every offset, the same for the same seed."""
    block = b"".join(hashlib.sha256(f"{seed} {i}".encode()).digest() for i in range(64))
    return (block * (size // len(block) + 1))[:size]


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call failed, as a client in any language sees it."""

    code: grpc.StatusCode
    error: FlowceptError

    @property
    def reason(self) -> str:
        return self.error.reason.value

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.error.metadata)


def failure_of(error: grpc.RpcError) -> Failure:
    """What an error of the stubs says."""
    assert isinstance(error, grpc.Call)
    details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
    assert details is None or isinstance(details, bytes)
    code = error.code()
    return Failure(code, decode_status(code.value[0], error.details() or "", details))


class Blobs:
    """The stub, with its errors decoded."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.stub = BlobStoreStub(channel)

    def upload(self, messages: Iterable[UploadRequest]) -> UploadResponse:
        """Send a stream of messages."""
        return self.stub.Upload(iter(messages), timeout=PATIENCE)

    def refused(self, messages: Iterable[UploadRequest]) -> Failure:
        """Send a stream of messages that must fail."""
        return self.failing(lambda: self.upload(messages))

    def put(self, data: bytes, upload_id: str, object_id: str = "object", **fields: Any) -> BlobObject:
        """Upload a payload in chunks of 1 MiB."""
        return self.upload([header(upload_id, object_id, **fields), *chunks(data), commit(data)]).object

    def get(self, object_id: str = "object", **wanted: Any) -> bytes:
        """Download bytes, and check that the chunks follow one another."""
        data = b""
        start = wanted.get("offset", 0)
        for response in self.stub.Download(DownloadRequest(object_id=object_id, **wanted), timeout=PATIENCE):
            if response.HasField("chunk"):
                assert response.chunk.offset == start + len(data)
                data += response.chunk.data
        return data

    def object(self, object_id: str = "object", **wanted: Any) -> BlobObject:
        """The metadata of a version."""
        return self.stub.GetObject(GetObjectRequest(object_id=object_id, **wanted), timeout=PATIENCE).object

    def versions(self, object_id: str = "object") -> list[int]:
        """The numbers of the versions that are kept, newest first."""
        listed = self.stub.ListVersions(ListVersionsRequest(object_id=object_id, page_size=1000), timeout=PATIENCE)
        return [version.version for version in listed.objects]

    def staged(self, upload_id: str = "upload") -> GetUploadResponse:
        """The state of an upload."""
        return self.stub.GetUpload(GetUploadRequest(upload_id=upload_id), timeout=PATIENCE)

    @staticmethod
    def succeeds(call: Any) -> bool:
        """Make a call that may fail; whether it did not."""
        try:
            call()
        except grpc.RpcError:
            return False
        return True

    @staticmethod
    def failing(call: Any) -> Failure:
        """Make a call that must fail; how it did."""
        try:
            call()
        except grpc.RpcError as error:
            return failure_of(error)
        raise AssertionError("the call succeeded, and it must not")
