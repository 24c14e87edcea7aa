"""Chunks written by hand are those of protobuf, byte for byte; what looks different is left to protobuf."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from flowcept.framing import decode_chunk, encode_chunk
from flowcept.v1.blob_store_service_pb2 import (
    DownloadChunk,
    DownloadResponse,
    UploadChunk,
    UploadCommit,
    UploadHeader,
    UploadRequest,
)

OFFSETS = st.integers(min_value=0, max_value=2**63 - 1) | st.sampled_from([0, 1, 127, 128, 2**14 - 1, 2**14, 2**32])
DATA = st.binary(max_size=300) | st.sampled_from([127, 128, 2**14 - 1, 2**14, 2**20]).map(bytes)


@given(OFFSETS, DATA)
def test_an_encoded_chunk_is_what_protobuf_writes(offset: int, data: bytes) -> None:
    upload = UploadRequest(chunk=UploadChunk(offset=offset, data=data))
    download = DownloadResponse(chunk=DownloadChunk(offset=offset, data=data))
    assert encode_chunk(offset, data) == upload.SerializeToString() == download.SerializeToString()
    assert encode_chunk(offset, memoryview(data)) == encode_chunk(offset, data)
    assert encode_chunk(offset, data[:7], memoryview(data)[7:]) == encode_chunk(offset, data)


@given(OFFSETS, DATA)
def test_a_chunk_that_protobuf_wrote_is_read_back(offset: int, data: bytes) -> None:
    decoded = decode_chunk(UploadRequest(chunk=UploadChunk(offset=offset, data=data)).SerializeToString())
    assert decoded is not None
    assert (decoded[0], bytes(decoded[1])) == (offset, data)


@given(
    st.binary(max_size=60) | st.tuples(OFFSETS, DATA, st.binary(max_size=4)).map(lambda t: encode_chunk(*t[:2]) + t[2])
)
@example(b"\x12\x0c\x08" + b"\xff" * 9 + b"\x01\x12")
@example(b"\x12\x0b\x08" + b"\xff" * 9 + b"\x01")
@example(b"\x12\x02\x08\x01\x12")
@example(b"\x12\x04\x12\x01a\x12")
@example(b"\x12" + b"\x80" * 20)
def test_whatever_is_read_by_hand_means_the_same_to_protobuf(message: bytes) -> None:
    decoded = decode_chunk(message)
    if decoded is None:
        return
    parsed = UploadRequest.FromString(message)
    assert parsed == UploadRequest(chunk=UploadChunk(offset=decoded[0], data=bytes(decoded[1])))


@pytest.mark.parametrize(
    "message",
    [
        UploadRequest(),
        UploadRequest(header=UploadHeader(upload_id="a")),
        UploadRequest(commit=UploadCommit(object_size_bytes=1)),
        UploadRequest(chunk=UploadChunk(data=b"a"), commit=UploadCommit(object_size_bytes=1)),
        UploadRequest(header=UploadHeader(upload_id="a"), chunk=UploadChunk(data=b"a")),
        UploadRequest(chunk=UploadChunk(offset=-1, data=b"a")),
    ],
)
def test_every_other_message_is_left_to_protobuf(message: UploadRequest) -> None:
    assert decode_chunk(message.SerializeToString()) is None


def test_a_chunk_cut_short_is_left_to_protobuf_which_refuses_it() -> None:
    whole = encode_chunk(5, b"abc")
    for end in range(1, len(whole)):
        assert decode_chunk(whole[:end]) is None
        with pytest.raises(DecodeError):
            UploadRequest.FromString(whole[:end])


def test_decoding_copies_nothing() -> None:
    message = encode_chunk(0, bytes(1000))
    decoded = decode_chunk(message)
    assert decoded is not None
    assert decoded[1].obj is message
