"""A blob store in memory behind the real contract: for what a real server does too rarely, or only when told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, cast

import grpc

from flowcept.errors import FlowceptError, InvalidArgumentError, NotFoundError, Reason
from flowcept.status import DETAILS_KEY, code_of, encode_status
from flowcept.v1 import blob_object_pb2
from flowcept.v1 import blob_store_service_pb2 as pb
from flowcept.v1.blob_store_service_pb2_grpc import BlobStoreServicer, add_BlobStoreServicer_to_server

CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass
class Upload:
    """What is staged of one upload."""

    data: bytearray = field(default_factory=bytearray)
    committed: blob_object_pb2.BlobObject | None = None
    streams: int = 0


class FakeBlobStore:
    """Uploads and downloads without versions or rules. Tests set its hooks to misbehave."""

    def __init__(self) -> None:
        self.uploads: dict[str, Upload] = {}
        self.payloads: dict[str, bytes] = {}
        self.objects: dict[str, blob_object_pb2.BlobObject] = {}
        self.calls: list[str] = []
        self.ranges: list[tuple[int, int]] = []
        self.checked: list[bool] = []
        self.inlined: list[int] = []
        self.metadata: list[dict[str, str]] = []
        self.before: Callable[[str, int], None] = lambda call, number: None
        """Called with the name of a call and how many of them came before; raises to fail the call."""
        self.on_chunk: Callable[[int, int], None] = lambda stream, staged: None
        """Called after each staged chunk with the number of the stream (from 1) and the bytes staged."""
        self.damage: Callable[[bytes], bytes] = lambda data: data
        """Changes what a download delivers."""
        self.answer: Callable[[blob_object_pb2.BlobObject], None] = lambda stored: None
        """Changes the answer to an upload."""
        self.cut_download_after: int | None = None
        """Breaks the first download off after so many bytes."""

    def Upload(self, request_iterator: Iterator[pb.UploadRequest], context: grpc.ServicerContext) -> pb.UploadResponse:  # noqa: N802
        with self._guarded("Upload", context):
            first = next(request_iterator)
            header = first.header
            upload = self.uploads.setdefault(header.upload_id, Upload())
            upload.streams += 1
            stream = upload.streams
            if upload.committed is not None:
                return pb.UploadResponse(object=upload.committed, repeated=True)
            known = header.data_sha256
            if known and any(hashlib.sha256(data).hexdigest() == known for data in self.payloads.values()):
                stored = self._commit(header, next(d for d in self.payloads.values()))
                return pb.UploadResponse(object=stored, content_known=True)
            for request in chain([first], request_iterator):
                if request.HasField("chunk"):
                    assert request.chunk.offset == len(upload.data)
                    upload.data += request.chunk.data
                    self.on_chunk(stream, len(upload.data))
                if request.HasField("commit"):
                    data = bytes(upload.data)
                    assert request.commit.object_size_bytes == len(data)
                    assert request.commit.data_sha256 == hashlib.sha256(data).hexdigest()
                    upload.committed = self._commit(header, data)
                    self.answer(upload.committed)
                    return pb.UploadResponse(object=upload.committed)
            raise InvalidArgumentError("no commit", reason=Reason.UPLOAD_NOT_COMMITTED)

    def GetUpload(self, request: pb.GetUploadRequest, context: grpc.ServicerContext) -> pb.GetUploadResponse:  # noqa: N802
        with self._guarded("GetUpload", context):
            upload = self.uploads.get(request.upload_id)
            if upload is None:
                return pb.GetUploadResponse()
            return pb.GetUploadResponse(exists=True, staged_bytes=len(upload.data), object=upload.committed)

    def GetObject(self, request: pb.GetObjectRequest, context: grpc.ServicerContext) -> pb.GetObjectResponse:  # noqa: N802
        with self._guarded("GetObject", context):
            stored = self._object(request.object_id)
            self.inlined.append(request.max_inline_bytes)
            few = stored.object_size_bytes <= min(request.max_inline_bytes, 128 << 10)
            data = self.damage(self.payloads[request.object_id]) if few and request.max_inline_bytes else None
            return pb.GetObjectResponse(object=stored, data=data)

    def DeleteObject(self, request: pb.DeleteObjectRequest, context: grpc.ServicerContext) -> pb.DeleteObjectResponse:  # noqa: N802
        with self._guarded("DeleteObject", context):
            stored = self._object(request.object_id)
            del self.objects[request.object_id]
            return pb.DeleteObjectResponse(object=stored)

    def Download(self, request: pb.DownloadRequest, context: grpc.ServicerContext) -> Iterator[pb.DownloadResponse]:  # noqa: N802
        with self._guarded("Download", context):
            stored = self._object(request.object_id)
            self.ranges.append((request.offset, request.length))
            self.checked.append(not request.verified_by_reader)
            yield pb.DownloadResponse(object=stored)
            data = self.damage(self.payloads[request.object_id])
            end = len(data)
            if request.HasField("length"):
                end = min(end, request.offset + request.length)
            for offset in range(request.offset, end, 1 << 16):
                cut = self.cut_download_after
                if cut is not None and offset >= cut:
                    self.cut_download_after = None
                    context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
                piece = data[offset : min(end, offset + (1 << 16))]
                yield pb.DownloadResponse(chunk=pb.DownloadChunk(offset=offset, data=piece))

    def _refused(self, _request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "the fake does not do this")

    AbortUpload = ListVersions = UpdateObject = _refused

    def put(self, object_id: str, data: bytes) -> None:
        """Store a payload behind the contract's back."""
        self._commit(pb.UploadHeader(object_id=object_id), data)

    def _object(self, object_id: str) -> blob_object_pb2.BlobObject:
        if object_id not in self.objects:
            raise NotFoundError(f"there is no object {object_id!r}", object_id=object_id)
        return self.objects[object_id]

    def _commit(self, header: pb.UploadHeader, data: bytes) -> blob_object_pb2.BlobObject:
        stored = blob_object_pb2.BlobObject(
            object_id=header.object_id,
            version=self.objects[header.object_id].version + 1 if header.object_id in self.objects else 0,
            object_size_bytes=len(data),
            data_sha256=hashlib.sha256(data).hexdigest(),
            data_hash_algo="sha256",
        )
        self.payloads[header.object_id] = data
        self.objects[header.object_id] = stored
        return stored

    @contextmanager
    def _guarded(self, call: str, context: grpc.ServicerContext) -> Iterator[None]:
        number = self.calls.count(call)
        self.calls.append(call)
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        try:
            self.before(call, number)
            yield
        except FlowceptError as error:
            context.set_trailing_metadata(((DETAILS_KEY, encode_status(error)),))
            context.abort(CODES[int(code_of(error))], str(error))


@contextmanager
def serving(servicer: FakeBlobStore) -> Iterator[str]:
    """Serve on a free port; yields the address."""
    server = grpc.server(futures.ThreadPoolExecutor(16))
    add_BlobStoreServicer_to_server(cast(BlobStoreServicer, servicer), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()
