from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcept.transport import UploadNotResumableError
from flowcept.transport._window import Window

MIB = 1 << 20


def never() -> int:
    raise AssertionError("nothing was to be asked")


def joined(pieces: Iterator[bytes | memoryview]) -> bytes:
    return b"".join(pieces)


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=20), st.data())
def test_what_was_read_can_be_read_again_from_any_offset(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    window = Window(iter(pieces))
    taken = data.draw(st.integers(0, len(pieces)))
    first = window.read(0, never)
    read = sum(len(next(first)) for _ in range(taken))
    offset = data.draw(st.integers(0, read))
    assert joined(window.read(offset, never)) == whole[offset:]


def test_a_full_window_lets_go_of_what_is_staged() -> None:
    window = Window(bytes(MIB) for _ in range(100))
    pieces = window.read(0, lambda: 40 * MIB)
    for _ in range(60):
        next(pieces)
    with pytest.raises(UploadNotResumableError, match="still held"):
        next(window.read(39 * MIB, never))
    assert len(next(window.read(40 * MIB, lambda: 40 * MIB))) == MIB


def test_a_full_window_waits_until_the_service_has_staged_more() -> None:
    answers = iter([0, 0, 0, 8 * MIB])
    waits: list[float] = []
    window = Window((bytes(MIB) for _ in range(50)), clock=lambda: 0.0, sleep=waits.append)
    pieces = window.read(0, lambda: next(answers))
    for _ in range(50):
        next(pieces)
    assert len(waits) == 3


def test_a_service_that_stages_late_does_not_stop_the_upload() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    window = Window((bytes(MIB) for _ in range(60)), clock=lambda: now[0], sleep=sleep)
    assert len(joined(window.read(0, lambda: 0))) == 60 * MIB
    with pytest.raises(UploadNotResumableError):
        next(window.read(0, never))


def test_memory_is_bounded_whatever_the_service_says() -> None:
    alive = [0, 0]

    class Counted(bytes):
        def __init__(self, *_: object) -> None:
            alive[0] += 1
            alive[1] = max(alive)

        def __del__(self) -> None:
            alive[0] -= 1

    staged = [0]

    def confirm() -> int:
        staged[0] += 16 * MIB
        return staged[0]

    window = Window(Counted(MIB) for _ in range(200))
    for _ in window.read(0, confirm):
        pass
    assert alive[1] <= Window.LIMIT // MIB + 2


def test_a_source_that_failed_stays_failed() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise OSError("disk gone")

    window = Window(pieces())
    with pytest.raises(OSError, match="disk gone"):
        joined(window.read(0, never))
    with pytest.raises(OSError, match="disk gone"):
        joined(window.read(0, never))
