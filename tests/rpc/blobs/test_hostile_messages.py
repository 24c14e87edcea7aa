"""Whatever bytes arrive at whatever method, the answer is a documented refusal, never a defect."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowcept.v1.blob_store_service_pb2 import (
    DESCRIPTOR,
    AbortUploadRequest,
    DeleteObjectRequest,
    DownloadRequest,
    GetObjectRequest,
    GetUploadRequest,
    ListVersionsRequest,
    ObjectFields,
    Tags,
    UpdateObjectRequest,
    UploadChunk,
    UploadCommit,
    UploadHeader,
    UploadRequest,
)
from flowcept.v1.document_pb2 import Document
from flowcept_service.server.service import Service
from tests.support.blobs import failure_of

METHODS = list(DESCRIPTOR.services_by_name["BlobStore"].methods)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 3)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(["", "a", "a" * 256, "../a"])
DOCUMENTS = st.builds(Document, bson=st.binary(max_size=30)) | st.builds(Document, json=NAMES)
FIELDS = st.builds(
    ObjectFields,
    task_id=NAMES,
    type=NAMES,
    tags=st.builds(Tags, values=st.lists(NAMES, max_size=3)),
    custom_metadata=DOCUMENTS,
    extra=DOCUMENTS,
    author=NAMES,
)
UPLOADS = st.builds(
    UploadRequest,
    header=st.none()
    | st.builds(
        UploadHeader,
        upload_id=NAMES,
        object_id=NAMES,
        fields=st.none() | FIELDS,
        control_version=st.booleans(),
        save_data_in_collection=st.booleans(),
        expected_version=st.none() | NUMBERS,
        data_sha256=st.none() | NAMES,
        object_size_bytes=st.none() | NUMBERS,
    ),
    chunk=st.none() | st.builds(UploadChunk, offset=NUMBERS, data=st.binary(max_size=10)),
    commit=st.none() | st.builds(UploadCommit, object_size_bytes=NUMBERS, data_sha256=NAMES),
)
REQUESTS: dict[str, st.SearchStrategy[Message]] = {
    "Upload": UPLOADS,
    "GetUpload": st.builds(GetUploadRequest, upload_id=NAMES),
    "AbortUpload": st.builds(AbortUploadRequest, upload_id=NAMES),
    "Download": st.builds(DownloadRequest, object_id=NAMES, version=NUMBERS, offset=NUMBERS, length=NUMBERS),
    "GetObject": st.builds(GetObjectRequest, object_id=NAMES, version=NUMBERS, encoding=st.integers(-1, 9)),
    "ListVersions": st.builds(ListVersionsRequest, object_id=NAMES, page_size=st.integers(-5, 2000), page_token=NAMES),
    "UpdateObject": st.builds(
        UpdateObjectRequest, object_id=NAMES, fields=FIELDS, expected_version=NUMBERS, request_id=NAMES
    ),
    "DeleteObject": st.builds(DeleteObjectRequest, object_id=NAMES, expected_version=NUMBERS),
}


def answer(channel: grpc.Channel, method: Any, messages: list[bytes]) -> grpc.StatusCode:
    """Send raw messages to a method; how it ended."""
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    call = getattr(channel, kind)(f"/flowcept.v1.BlobStore/{method.name}")
    try:
        result = call(iter(messages) if method.client_streaming else messages[0], timeout=20)
        if method.server_streaming:
            list(result)
    except grpc.RpcError as error:
        return failure_of(error).code
    return grpc.StatusCode.OK


@pytest.mark.parametrize("method", METHODS, ids=[method.name for method in METHODS])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(data=st.data())
def test_no_message_finds_a_defect(service: Service, method: Any, data: st.DataObject) -> None:
    well_formed = REQUESTS[method.name].map(lambda message: message.SerializeToString())
    messages = data.draw(st.lists(well_formed | st.binary(max_size=40), min_size=1, max_size=4))
    with grpc.insecure_channel(service.target) as channel:
        code = answer(channel, method, messages)
    assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED)
