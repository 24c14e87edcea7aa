"""Followers are served from memory, with what the log itself would answer."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.domain.events import EventBlock, LogBounds
from flowcept_service.domain.retention import Retention
from flowcept_service.storage.lmdb._log.tail import TAIL_BYTES, LogTail
from tests.conformance.harness import FakeClock, decode_frames, task
from tests.unit.lmdb.conftest import Open


def blocks_of(sizes: list[int]) -> list[EventBlock]:
    """Blocks of so many events each, with a byte for each event."""
    blocks: list[EventBlock] = []
    for size in sizes:
        first = blocks[-1].last + 1 if blocks else 1
        blocks.append(EventBlock(first, first + size - 1, bytes(size)))
    return blocks


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.data())
def test_any_position_that_is_held_reads_from_the_block_around_it(sizes: list[int], data: st.DataObject) -> None:
    blocks = blocks_of(sizes)
    tail = LogTail()
    for block in blocks:
        tail.add([block], LogBounds(1, block.last, 0))
    after = data.draw(st.integers(0, blocks[-1].last - 1))
    max_bytes = data.draw(st.integers(0, 50))

    found = tail.read(after, max_bytes)

    assert found
    assert found[0].first <= after + 1 <= found[0].last
    at = blocks.index(found[0])
    assert found == blocks[at : at + len(found)]
    assert len(found) == 1 or sum(len(block.frames) for block in found) <= max_bytes
    complete = at + len(found) == len(blocks)
    assert complete or sum(len(block.frames) for block in blocks[at : at + len(found) + 1]) > max_bytes


def test_what_lies_outside_is_left_to_the_log() -> None:
    tail = LogTail()
    assert tail.read(0, 10) is None

    tail.add(blocks_of([2, 2, 2])[1:], LogBounds(1, 6, 0))

    assert tail.read(1, 10) is None
    assert tail.read(6, 10) is None
    assert tail.read(2, 10) is not None


def test_what_was_trimmed_is_not_held() -> None:
    tail = LogTail()
    tail.add(blocks_of([2, 2, 2]), LogBounds(1, 6, 0))

    tail.add([], LogBounds(5, 6, 0))

    assert tail.read(2, 10) is None
    assert tail.read(4, 10) == blocks_of([2, 2, 2])[2:]


def test_a_log_that_goes_on_elsewhere_is_not_joined_to_what_was() -> None:
    tail = LogTail()
    tail.add(blocks_of([2, 2]), LogBounds(1, 4, 0))

    tail.add([EventBlock(101, 102, b"xx")], LogBounds(101, 102, 0))

    assert tail.read(2, 10) is None
    assert tail.read(100, 10) == [EventBlock(101, 102, b"xx")]


def test_memory_is_bounded() -> None:
    tail = LogTail()
    for n in range(1, 30):
        tail.add([EventBlock(n, n, bytes(1 << 20))], LogBounds(1, n, 0))

    held = tail.read(29 - TAIL_BYTES // (1 << 20), 1 << 40)

    assert held is not None
    assert sum(len(block.frames) for block in held) <= TAIL_BYTES
    assert tail.read(10, 1 << 40) is None


def test_followers_and_those_that_catch_up_read_the_same(tmp_path: Path, open_store: Open, clock: FakeClock) -> None:
    store = open_store(tmp_path)
    for n in range(50):
        store.records.write([task(f"t{n}", filling="x" * 200_000)])
    store.sweep(Retention(), clock())

    for after in (0, 10, 30, 45, 49):
        blocks = store.events.read(after, 1 << 30)
        sequences = [event["sequence"] for block in blocks for event in decode_frames(block.frames)]
        assert sequences[-1] == 50
        assert after + 1 in sequences
