from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcept.transport import PipeWriter, written_source
from flowcept.transport._pipe import written
from tests.support.conditions import PATIENCE


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 16))
def test_what_is_written_comes_out_in_full_pieces(values: list[bytes], size: int) -> None:
    def write(file: PipeWriter) -> None:
        for value in values:
            assert file.write(value) == len(value)

    pieces = list(written(write, size))
    assert b"".join(pieces) == b"".join(values)
    assert all(len(piece) == size for piece in pieces[:-1])


def test_the_writer_is_only_a_few_pieces_ahead() -> None:
    progress: list[int] = []

    def write(file: PipeWriter) -> None:
        for _ in range(100):
            file.write(b"x" * 10)
            progress.append(file.tell())

    pieces = written(write, 10)
    next(pieces)
    assert len(progress) < 10
    assert sum(1 for _ in pieces) == 99


def test_what_the_function_raises_is_raised_to_the_reader() -> None:
    def write(file: PipeWriter) -> None:
        file.write(b"some")
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        list(written(write, 2))


def test_closing_ends_the_writer() -> None:
    ended = threading.Event()

    def write(file: PipeWriter) -> None:
        try:
            while True:
                file.write(b"x" * 10)
        finally:
            ended.set()

    pieces = written(write, 10)
    next(pieces)
    pieces.close()
    assert ended.wait(PATIENCE)


def test_little_becomes_a_payload_that_can_be_sent_again() -> None:
    source = written_source(lambda file: file.write(b"little"), 100)
    assert source.repeatable
    assert source.size == 6


def test_much_is_streamed() -> None:
    source = written_source(lambda file: file.write(b"x" * 1000), 100)
    assert not source.repeatable
    assert b"".join(source.pieces(0, lambda: 0)) == b"x" * 1000
    source.close()
