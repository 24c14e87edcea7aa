"""Chunks wait in order; many small ones cost no more memory than their bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.blobs.buffer import SMALL_BYTES, ChunkBuffer


@given(st.lists(st.integers(0, 200) | st.sampled_from([SMALL_BYTES - 1, SMALL_BYTES, SMALL_BYTES + 1]), max_size=20))
def test_bytes_come_out_as_they_went_in(sizes: list[int]) -> None:
    buffer = ChunkBuffer()
    chunks = [bytes([index % 251]) * size for index, size in enumerate(sizes)]
    for chunk in chunks:
        buffer.append(memoryview(chunk))
    assert buffer.size == sum(sizes)
    assert b"".join(buffer.take()) == b"".join(chunks)
    assert (buffer.size, buffer.take()) == (0, [])


def test_single_bytes_are_joined() -> None:
    buffer = ChunkBuffer()
    for _ in range(10_000):
        buffer.append(b"x")
    assert len(buffer.take()) == 1


def test_large_chunks_are_not_copied() -> None:
    buffer = ChunkBuffer()
    chunk = memoryview(bytes(SMALL_BYTES))
    buffer.append(chunk)
    assert buffer.take()[0] is chunk
