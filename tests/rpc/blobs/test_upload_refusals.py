"""Bad uploads: each is refused with its documented reason, and the store stays as it was."""

from __future__ import annotations

from typing import Any

import bson
import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import (
    ObjectFields,
    Tags,
    UploadChunk,
    UploadCommit,
    UploadHeader,
    UploadRequest,
)
from flowcept.v1.document_pb2 import Document
from flowcept_service.server.service import Service
from tests.support.blobs import KIB, MIB, Blobs, chunk, chunks, commit, failure_of, header, pattern, sha256

DATA = pattern(64 * KIB)
INVALID = grpc.StatusCode.INVALID_ARGUMENT
OUT_OF_RANGE = grpc.StatusCode.OUT_OF_RANGE
DATA_LOSS = grpc.StatusCode.DATA_LOSS


def promise(size: int = len(DATA), digest: str = sha256(DATA)) -> UploadRequest:
    return UploadRequest(commit=UploadCommit(object_size_bytes=size, data_sha256=digest))


def fields(**given: Any) -> UploadRequest:
    return header(fields=ObjectFields(**given))


BAD_STREAMS: list[tuple[str, list[UploadRequest], grpc.StatusCode, str, dict[str, str]]] = [
    ("nothing at all", [], INVALID, "UPLOAD_HEADER_MISSING", {}),
    ("a chunk before the header", [chunk(0, DATA), header()], INVALID, "UPLOAD_HEADER_MISSING", {}),
    ("a commit before the header", [commit(DATA), header()], INVALID, "UPLOAD_HEADER_MISSING", {}),
    ("an empty first message", [UploadRequest(), header()], INVALID, "UPLOAD_HEADER_MISSING", {}),
    ("a second header", [header(), chunk(0, DATA), header(), commit(DATA)], INVALID, "UPLOAD_HEADER_REPEATED", {}),
    ("no commit", [header(), chunk(0, DATA)], INVALID, "UPLOAD_NOT_COMMITTED", {"staged_bytes": "65536"}),
    ("only a header", [header()], INVALID, "UPLOAD_NOT_COMMITTED", {"staged_bytes": "0"}),
    ("a chunk after the commit", [header(), commit(b""), chunk(0, DATA)], INVALID, "UPLOAD_AFTER_COMMIT", {}),
    ("a second commit", [header(), chunk(0, DATA), commit(DATA), commit(DATA)], INVALID, "UPLOAD_AFTER_COMMIT", {}),
    (
        "a gap between chunks",
        [header(), chunk(0, DATA), chunk(70000, DATA)],
        OUT_OF_RANGE,
        "UPLOAD_OFFSET_MISMATCH",
        {"offset": "70000", "expected_offset": "65536"},
    ),
    ("an overlap", [header(), chunk(0, DATA), chunk(1, DATA)], OUT_OF_RANGE, "UPLOAD_OFFSET_MISMATCH", {}),
    ("a late begin", [header(), chunk(5, DATA)], OUT_OF_RANGE, "UPLOAD_OFFSET_MISMATCH", {"expected_offset": "0"}),
    ("a negative offset", [header(), chunk(-1, DATA)], OUT_OF_RANGE, "UPLOAD_OFFSET_MISMATCH", {"offset": "-1"}),
    (
        "another digest",
        [header(), chunk(0, DATA), promise(digest=sha256(b"other"))],
        DATA_LOSS,
        "DIGEST_MISMATCH",
        {"promised": sha256(b"other"), "received": sha256(DATA)},
    ),
    ("too few bytes", [header(), chunk(0, DATA[:-1]), commit(DATA)], DATA_LOSS, "SIZE_MISMATCH", {"received": "65535"}),
    ("too many bytes", [header(), chunk(0, DATA + b"x"), commit(DATA)], DATA_LOSS, "SIZE_MISMATCH", {}),
    (
        "more bytes than the header says",
        [header(object_size_bytes=10), chunk(0, DATA), commit(DATA)],
        DATA_LOSS,
        "SIZE_MISMATCH",
        {"promised": "10", "received": "65536"},
    ),
    (
        "fewer bytes than the header says",
        [header(object_size_bytes=70000), chunk(0, DATA), commit(DATA)],
        DATA_LOSS,
        "SIZE_MISMATCH",
        {},
    ),
    (
        "another digest than the header says",
        [header(data_sha256=sha256(b"x"), object_size_bytes=len(DATA)), chunk(0, DATA), commit(DATA)],
        DATA_LOSS,
        "DIGEST_MISMATCH",
        {},
    ),
    ("a negative size", [header(), chunk(0, DATA), promise(size=-1)], INVALID, "INVALID_FIELD", {"value": "-1"}),
    ("a digest in capitals", [header(), chunk(0, DATA), promise(digest="A" * 64)], INVALID, "INVALID_FIELD", {}),
    ("no digest", [header(), chunk(0, DATA), promise(digest="")], INVALID, "INVALID_FIELD", {}),
    (
        "a known digest without its size",
        [header(data_sha256=sha256(DATA))],
        INVALID,
        "INVALID_FIELD",
        {"field": "object_size_bytes"},
    ),
    ("a malformed known digest", [header(data_sha256="x", object_size_bytes=1)], INVALID, "INVALID_FIELD", {}),
    ("a negative known size", [header(object_size_bytes=-5)], INVALID, "INVALID_FIELD", {"field": "object_size_bytes"}),
    ("a negative expected version", [header(expected_version=-1)], INVALID, "INVALID_FIELD", {}),
    ("no upload_id", [header(upload_id="")], INVALID, "INVALID_IDENTIFIER", {"field": "upload_id"}),
    ("a long upload_id", [header(upload_id="u" * 256)], INVALID, "INVALID_IDENTIFIER", {"field": "upload_id"}),
    ("a long object_id", [header(object_id="ö" * 128)], INVALID, "INVALID_IDENTIFIER", {"field": "object_id"}),
    ("an object_id with NUL", [header(object_id="a\0b")], INVALID, "INVALID_IDENTIFIER", {"field": "object_id"}),
    ("a long type", [fields(type="t" * 256)], INVALID, "INVALID_IDENTIFIER", {"field": "fields.type"}),
    ("a task_id with NUL", [fields(task_id="\0")], INVALID, "INVALID_IDENTIFIER", {"field": "fields.task_id"}),
    ("a long author", [fields(author="t" * 256)], INVALID, "INVALID_IDENTIFIER", {"field": "fields.author"}),
    (
        "metadata that is no BSON",
        [fields(custom_metadata=Document(bson=b"garbage"))],
        INVALID,
        "INVALID_DOCUMENT",
        {"field": "fields.custom_metadata"},
    ),
    (
        "metadata with an integer over 64 bits",
        [fields(custom_metadata=Document(json='{"a": {"b": 18446744073709551616}}'))],
        INVALID,
        "INVALID_DOCUMENT",
        {"field": "fields.custom_metadata.a.b"},
    ),
    (
        "metadata that is no JSON object",
        [fields(custom_metadata=Document(json="[1, 2]"))],
        INVALID,
        "INVALID_DOCUMENT",
        {"field": "fields.custom_metadata"},
    ),
    (
        "an extra field that is none",
        [fields(extra=Document(bson=bson.encode({"data": b"x"})))],
        INVALID,
        "INVALID_FIELD",
        {"field": "fields.extra.data"},
    ),
    (
        "an in-object payload over the limit",
        [header(save_data_in_collection=True), *chunks(pattern(9 * MIB)), commit(pattern(9 * MIB))],
        INVALID,
        "PAYLOAD_TOO_LARGE_FOR_OBJECT",
        {"limit": str(8 * MIB)},
    ),
    (
        "an announced in-object payload over the limit",
        [header(save_data_in_collection=True, object_size_bytes=9 * MIB)],
        INVALID,
        "PAYLOAD_TOO_LARGE_FOR_OBJECT",
        {"size": str(9 * MIB)},
    ),
]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [(messages, expected) for _, messages, *expected in BAD_STREAMS],
    ids=[name for name, *_ in BAD_STREAMS],
)
def test_a_bad_stream_is_refused_and_changes_nothing(
    service: Service,
    blobs: Blobs,
    messages: list[UploadRequest],
    expected: tuple[grpc.StatusCode, str, dict[str, str]],
) -> None:
    code, reason, metadata = expected
    failure = blobs.refused(messages)
    assert (failure.code, failure.reason) == (code, reason)
    assert metadata.items() <= failure.metadata.items()
    assert blobs.failing(blobs.object).reason == "OBJECT_NOT_FOUND"
    assert service.storage.events.bounds().last == 0


@pytest.mark.parametrize("size", [64 * KIB, 20 * MIB])
@pytest.mark.parametrize("wrong", ["digest", "size"])
def test_bytes_that_are_not_what_was_promised_are_dropped(blobs: Blobs, size: int, wrong: str) -> None:
    data = pattern(size)
    bad = promise(size, sha256(b"other")) if wrong == "digest" else promise(size + 1, sha256(data))
    assert blobs.refused([header(), *chunks(data), bad]).code is DATA_LOSS
    assert not blobs.staged().exists


def test_a_message_over_4_mib_is_refused_by_grpc(service: Service, blobs: Blobs) -> None:
    failure = blobs.refused([header(), chunk(0, bytes(5 * MIB))])
    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
    assert service.storage.events.bounds().last == 0


@pytest.mark.parametrize("message", [b"\xff\xff\xff", b"\x0a\x05ab", b"\x12\xff", b"\x0a\x03\x0a\x01\xff"])
def test_bytes_that_are_no_message_are_refused_as_bad_input(service: Service, message: bytes) -> None:
    with grpc.insecure_channel(service.target) as channel:
        call: Any = channel.stream_unary("/flowcept.v1.BlobStore/Upload")
        with pytest.raises(grpc.RpcError) as caught:
            call(iter([message]))
        failure = failure_of(caught.value)
    assert (failure.code, failure.reason) == (INVALID, "INVALID_FIELD")


def test_all_parts_may_come_in_one_message(blobs: Blobs) -> None:
    message = UploadRequest(
        header=UploadHeader(upload_id="u", object_id="object"),
        chunk=UploadChunk(data=DATA),
        commit=UploadCommit(object_size_bytes=len(DATA), data_sha256=sha256(DATA)),
    )
    blobs.upload([message])
    assert blobs.get() == DATA


def test_the_parts_may_come_in_any_grouping(blobs: Blobs) -> None:
    first = UploadRequest(header=UploadHeader(upload_id="u", object_id="object"), chunk=UploadChunk(data=DATA[:10]))
    last = UploadRequest(
        chunk=UploadChunk(offset=20, data=DATA[20:]),
        commit=UploadCommit(object_size_bytes=len(DATA), data_sha256=sha256(DATA)),
    )
    blobs.upload([first, UploadRequest(), chunk(10, DATA[10:20]), chunk(20, b""), last])
    assert blobs.get() == DATA


def test_an_upload_without_object_id_gets_one(blobs: Blobs) -> None:
    made = blobs.put(DATA, "u", object_id="")
    assert made.object_id
    assert blobs.get(made.object_id) == DATA


def test_all_fields_come_back(blobs: Blobs) -> None:
    made = blobs.put(
        DATA,
        "u",
        pickle=True,
        control_version=True,
        save_data_in_collection=True,
        fields=ObjectFields(
            task_id="t",
            workflow_id="w",
            campaign_id="c",
            type="ml_model",
            tags=Tags(values=["b", "a"]),
            custom_metadata=Document(json='{"a.b": [1, {"$ref": "x", "$id": 2}]}'),
            author="ada",
            extra=Document(bson=bson.encode({"shape": [1, 2]})),
        ),
    )
    got = blobs.object()
    assert got == made
    assert (got.task_id, got.workflow_id, got.campaign_id, got.type) == ("t", "w", "c", "ml_model")
    assert list(got.tags) == ["b", "a"]
    assert bson.decode(got.extra.bson) == {"shape": [1, 2]}
    assert (got.created_by, got.updated_by) == ("ada", "ada")
    assert got.created_at.seconds == got.updated_at.seconds > 0
    assert (got.version, got.HasField("prev_version")) == (0, False)
    assert (got.object_size_bytes, got.data_sha256, got.data_hash_algo) == (len(DATA), sha256(DATA), "sha256")
    assert got.pickle
    assert got.control_version
    assert got.save_data_in_collection


def test_an_empty_payload_is_a_payload(blobs: Blobs) -> None:
    made = blobs.put(b"", "u")
    assert (made.object_size_bytes, made.data_sha256) == (0, sha256(b""))
    assert blobs.get() == b""


@pytest.mark.parametrize("size", [1, MIB, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 20 * MIB + 7])
def test_payloads_of_every_size_come_back_whole(blobs: Blobs, size: int) -> None:
    data = pattern(size)
    assert blobs.put(data, "u").object_size_bytes == size
    assert blobs.get() == data


def test_metadata_too_large_for_a_record_is_refused_before_the_bytes(blobs: Blobs) -> None:
    half = Document(bson=bson.encode({"notes": "x" * (1900 * KIB)}))
    failure = blobs.refused([header(fields=ObjectFields(custom_metadata=half, extra=half))])
    assert (failure.code, failure.reason) == (INVALID, "RECORD_TOO_LARGE")


def test_a_stream_of_single_bytes_and_empty_messages_is_an_upload_like_any_other(blobs: Blobs) -> None:
    data = pattern(3000)
    single = [message for byte in range(len(data)) for message in (chunk(byte, data[byte : byte + 1]), UploadRequest())]
    blobs.upload([header(), *single, commit(data)])
    assert blobs.get() == data
