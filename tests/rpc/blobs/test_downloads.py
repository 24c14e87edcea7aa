"""Downloads: ranges, verification, and what a reader that goes away leaves behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowcept.errors import IntegrityError, Reason
from flowcept.v1.blob_store_service_pb2 import DownloadRequest, GetObjectRequest
from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.server.service import Service
from tests.support.blobs import KIB, MIB, Blobs, failure_of, pattern
from tests.support.conditions import eventually

DATA = pattern(5 * MIB + 3)
MAX = 2**63 - 1


@pytest.fixture
def stored(blobs: Blobs) -> Blobs:
    blobs.put(DATA, "u")
    return blobs


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, None),
        (0, 0),
        (0, 1),
        (1, None),
        (MIB - 1, 2),
        (2 * MIB, MIB),
        (len(DATA) - 1, None),
        (len(DATA), None),
        (len(DATA), 5),
        (100, MAX),
        (0, MAX),
    ],
)
def test_a_range_yields_exactly_its_bytes(stored: Blobs, offset: int, length: int | None) -> None:
    wanted: dict[str, Any] = {"offset": offset} if length is None else {"offset": offset, "length": length}
    assert stored.get(**wanted) == DATA[offset : None if length is None else offset + length]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(offset=st.integers(0, len(DATA)), length=st.integers(0, len(DATA)))
def test_any_range_yields_exactly_its_bytes(stored: Blobs, offset: int, length: int) -> None:
    assert stored.get(offset=offset, length=length) == DATA[offset : offset + length]


def test_the_metadata_comes_first_even_without_bytes(stored: Blobs) -> None:
    responses = list(stored.stub.Download(DownloadRequest(object_id="object", offset=len(DATA))))
    assert [response.HasField("object") for response in responses] == [True]
    assert responses[0].object == stored.object()


@pytest.mark.parametrize("offset", [len(DATA) + 1, MAX])
def test_a_range_behind_the_end_is_out_of_range(stored: Blobs, offset: int) -> None:
    failure = stored.failing(lambda: stored.get(offset=offset))
    assert (failure.code, failure.reason) == (grpc.StatusCode.OUT_OF_RANGE, "RANGE_NOT_SATISFIABLE")
    assert failure.metadata == {"offset": str(offset), "size": str(len(DATA))}


@pytest.mark.parametrize("wanted", [{"offset": -1}, {"length": -1}, {"offset": -(2**63)}])
def test_negative_numbers_are_refused(stored: Blobs, wanted: dict[str, Any]) -> None:
    failure = stored.failing(lambda: stored.get(**wanted))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert failure.metadata["field"] in wanted


def flip_a_byte(service: Service, monkeypatch: pytest.MonkeyPatch, damaged_at: int) -> None:
    """Have the store read one byte otherwise than it was written."""
    original = service.storage.payloads.read

    def damaged(version: ObjectVersion, offset: int, length: int, piece: int) -> Iterator[bytes]:
        for part in map(bytes, original(version, offset, length, piece)):
            if offset <= damaged_at < offset + len(part):
                index = damaged_at - offset
                yield part[:index] + bytes((part[index] ^ 1,)) + part[index + 1 :]
            else:
                yield part
            offset += len(part)

    monkeypatch.setattr(service.storage.payloads, "read", damaged)


@pytest.mark.parametrize("size", [10 * KIB, 5 * MIB])
@pytest.mark.parametrize("at", ["first", "last"])
def test_a_flipped_byte_is_told_to_the_reader_instead_of_a_clean_end(
    service: Service, blobs: Blobs, monkeypatch: pytest.MonkeyPatch, size: int, at: str
) -> None:
    made = blobs.put(pattern(size), "u", control_version=True)
    flip_a_byte(service, monkeypatch, 0 if at == "first" else size - 1)
    failure = blobs.failing(blobs.get)
    assert (failure.code, failure.reason) == (grpc.StatusCode.DATA_LOSS, "PAYLOAD_CORRUPT")
    assert failure.metadata == {"object_id": "object", "version": str(made.version)}


def test_a_reader_that_verifies_the_bytes_itself_gets_them_as_they_are(
    service: Service, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pattern(5 * MIB)
    blobs.put(data, "u")
    flip_a_byte(service, monkeypatch, 0)
    assert blobs.get(verified_by_reader=True) == bytes((data[0] ^ 1,)) + data[1:]


@pytest.mark.parametrize("size", [0, 1, 128 * KIB])
@pytest.mark.parametrize("in_object", [False, True])
def test_a_few_bytes_come_with_the_metadata_when_wanted(blobs: Blobs, size: int, in_object: bool) -> None:
    made = blobs.put(pattern(size), "u", save_data_in_collection=in_object)
    response = blobs.stub.GetObject(GetObjectRequest(object_id="object", max_inline_bytes=max(1, size)))
    assert response.HasField("data")
    assert (response.object, response.data) == (made, pattern(size))


@pytest.mark.parametrize(("size", "wanted"), [(0, 0), (10, 0), (10, 9), (128 * KIB + 1, MAX)])
def test_more_bytes_than_wanted_do_not_come_with_the_metadata(blobs: Blobs, size: int, wanted: int) -> None:
    made = blobs.put(pattern(size), "u")
    response = blobs.stub.GetObject(GetObjectRequest(object_id="object", max_inline_bytes=wanted))
    assert response.object == made
    assert not response.HasField("data")


def test_bytes_come_with_the_version_that_is_named(blobs: Blobs) -> None:
    for number in range(3):
        blobs.put(bytes([number]), f"u{number}", control_version=True)
    response = blobs.stub.GetObject(GetObjectRequest(object_id="object", version=1, max_inline_bytes=1))
    assert response.data == bytes([1])


def test_metadata_come_without_the_bytes_that_are_missing(
    service: Service, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = blobs.put(b"lost", "u")

    def missing(*_wanted: object) -> Iterator[bytes]:
        raise IntegrityError("bytes are missing", reason=Reason.PAYLOAD_CORRUPT)

    monkeypatch.setattr(service.storage.payloads, "read", missing)
    response = blobs.stub.GetObject(GetObjectRequest(object_id="object", max_inline_bytes=4))
    assert response.object == made
    assert not response.HasField("data")
    assert blobs.failing(blobs.get).reason == "PAYLOAD_CORRUPT"


def test_a_negative_number_of_bytes_with_the_metadata_is_refused(stored: Blobs) -> None:
    failure = stored.failing(lambda: stored.object(max_inline_bytes=-1))
    assert (failure.code, failure.metadata["field"]) == (grpc.StatusCode.INVALID_ARGUMENT, "max_inline_bytes")


def test_a_reader_that_goes_away_leaves_nothing_behind(
    service: Service, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs.put(pattern(64 * MIB), "u")
    pinned: list[int] = []
    original = service.storage.payloads.pin

    class Counted:
        def __init__(self, version: ObjectVersion) -> None:
            self._pin: Any = original(version)

        def __enter__(self) -> None:
            pinned.append(1)
            self._pin.__enter__()

        def __exit__(self, *error: object) -> None:
            pinned.pop()
            self._pin.__exit__(*error)

    monkeypatch.setattr(service.storage.payloads, "pin", Counted)
    streams = [blobs.stub.Download(DownloadRequest(object_id="object")) for _ in range(3)]
    for stream in streams:
        next(stream)
    eventually(lambda: len(pinned) == 3)
    for stream in streams:
        stream.cancel()
    eventually(lambda: not pinned)
    eventually(lambda: not any(thread.name == "download-reader" for thread in threading.enumerate()))


def test_a_version_that_is_overwritten_is_read_to_its_end(service: Service, blobs: Blobs) -> None:
    data = pattern(64 * MIB)
    blobs.put(data, "u0")
    stream = blobs.stub.Download(DownloadRequest(object_id="object"))
    next(stream)
    blobs.put(b"new", "u1")
    service.janitor.sweep()
    assert b"".join(response.chunk.data for response in stream) == data
    assert blobs.get() == b"new"


def test_bytes_that_are_no_message_are_refused_as_bad_input(service: Service) -> None:
    with grpc.insecure_channel(service.target) as channel:
        call: Any = channel.unary_stream("/flowcept.v1.BlobStore/Download")
        with pytest.raises(grpc.RpcError) as caught:
            list(call(b"\xff"))
        failure = failure_of(caught.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
