from __future__ import annotations

import array
import io
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcept.errors import IntegrityError, InvalidArgumentError
from flowcept.transport import PayloadSource, as_source
from flowcept.transport._source import rechunked

PIECE = 7
PAYLOAD = bytes(range(100))


def never() -> int:
    raise AssertionError("nothing was to be asked")


def read(source: PayloadSource, offset: int = 0) -> bytes:
    return b"".join(source.pieces(offset, never))


class Trickle(io.RawIOBase):
    """A seekable file that returns less than it is asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

    def readinto(self, buffer: object, /) -> int:
        assert isinstance(buffer, memoryview | bytearray)
        piece = self._inner.read(min(2, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "payload"
    file.write_bytes(PAYLOAD)
    return file


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("offset", [0, 1, 7, 99, 100])
def test_bytes_can_be_read_from_anywhere(kind: type[bytes], offset: int) -> None:
    source = as_source(kind(PAYLOAD), PIECE)
    assert source.size == 100
    assert read(source, offset) == PAYLOAD[offset:]


def test_buffers_of_larger_items_count_as_their_bytes() -> None:
    numbers = array.array("d", [1.0, 2.0, 3.0])
    source = as_source(memoryview(numbers), PIECE)
    assert source.size == 24
    assert read(source) == numbers.tobytes()


def test_memory_with_gaps_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="not contiguous"):
        as_source(memoryview(PAYLOAD)[::2], PIECE)


def test_an_empty_payload_is_one() -> None:
    assert read(as_source(b"", PIECE)) == b""


def test_a_mapped_file_is_bytes(path: Path) -> None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        source = as_source(mapped, PIECE)
        assert read(source, 50) == PAYLOAD[50:]
        del source  # a mapping cannot be closed while a view of it is alive


@pytest.mark.parametrize("offset", [0, 50, 100])
def test_a_path_is_read_by_position(path: Path, offset: int) -> None:
    source = as_source(path, PIECE)
    assert source.size == 100
    assert source.repeatable
    assert read(source, offset) == PAYLOAD[offset:]
    source.close()


def test_a_file_that_shrinks_is_never_taken_for_complete(path: Path) -> None:
    source = as_source(path, PIECE)
    os.truncate(path, 60)
    with pytest.raises(IntegrityError, match="ends at 60"):
        read(source)
    source.close()


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="directory"):
        as_source(tmp_path, PIECE)


def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR)
    os.write(writer, PAYLOAD)
    source = as_source(fifo, 50)
    assert not source.repeatable
    assert source.size is None
    pieces = source.pieces(0, never)
    assert next(pieces) == PAYLOAD[:50]
    assert next(pieces) == PAYLOAD[50:]
    os.close(writer)
    source.close()


def test_a_file_object_is_read_from_its_present_position(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(30)
        source = as_source(file, PIECE)
        assert source.size == 70
        assert read(source) == PAYLOAD[30:]
        assert read(source, 60) == PAYLOAD[90:]
        source.close()
        assert not file.closed


def test_a_file_object_may_return_less_than_asked() -> None:
    assert read(as_source(Trickle(PAYLOAD), PIECE)) == PAYLOAD


def test_a_file_object_that_cannot_seek_is_read_once() -> None:
    readable, writable = os.pipe()
    os.write(writable, PAYLOAD)
    os.close(writable)
    with os.fdopen(readable, "rb") as file:
        source = as_source(file, PIECE)
        assert source.size is None
        assert read(source) == PAYLOAD


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ({"a": 1}, "pickle=True"),
        ([b"x"], "pickle=True"),
        ("path/or/text", "pathlib.Path"),
        (12, "pickle=True"),
        (None, "pickle=True"),
        (io.StringIO("text"), "binary mode"),
    ],
)
def test_what_is_no_bytes_is_refused_with_a_remedy(value: object, remedy: str) -> None:
    with pytest.raises(InvalidArgumentError, match=remedy) as caught:
        as_source(value, PIECE)
    assert caught.value.metadata["field"] == "object"


def test_a_text_file_that_does_not_tell_is_refused_when_it_is_read() -> None:
    with tempfile.NamedTemporaryFile(mode="w+") as file:
        file.write("text")
        file.seek(0)
        with pytest.raises(InvalidArgumentError, match="binary mode"):
            read(as_source(file, PIECE))


def test_an_iterator_must_yield_bytes() -> None:
    with pytest.raises(InvalidArgumentError, match="must yield bytes"):
        read(as_source(iter([b"x", "y"]), PIECE))


@given(st.lists(st.binary(max_size=30), max_size=20), st.integers(1, 12))
def test_pieces_are_full_but_the_last(values: list[bytes], size: int) -> None:
    pieces = list(rechunked(values, size))
    assert b"".join(pieces) == b"".join(values)
    assert all(len(piece) == size for piece in pieces[:-1])
    assert all(0 < len(piece) <= size for piece in pieces[-1:])


def test_a_buffer_that_is_reused_by_the_iterator_does_no_harm() -> None:
    buffer = bytearray(PIECE)

    def values() -> Iterator[memoryview]:
        for number in range(5):
            buffer[:] = bytes([number]) * PIECE
            yield memoryview(buffer)

    pieces = list(as_source(values(), PIECE).pieces(0, never))
    assert b"".join(pieces) == b"".join(bytes([number]) * PIECE for number in range(5))
