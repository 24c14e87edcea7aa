from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcept.transport import Digest
from tests.support.conditions import PATIENCE, eventually

MIB = 1 << 20


@given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 50)), max_size=20))
def test_repeated_bytes_count_once(data: bytes, reads: list[tuple[int, int]]) -> None:
    with Digest() as digest:
        for offset, length in reads:
            start = min(offset, digest.position)
            digest.update(start, data[start : start + length])
        digest.update(digest.position, data[digest.position :])
        assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


def test_long_streams_give_the_same_digest() -> None:
    data = bytes(range(256)) * 4096 * 12
    with Digest() as digest:
        for offset in range(0, len(data), MIB):
            digest.update(offset, data[offset : offset + MIB])
        assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


def test_the_digest_so_far_may_be_asked_for_and_continued() -> None:
    data = bytes(20 * MIB)
    with Digest() as digest:
        digest.update(0, data[: 10 * MIB])
        assert digest.hexdigest() == hashlib.sha256(data[: 10 * MIB]).hexdigest()
        digest.update(10 * MIB, data[10 * MIB :])
        assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


def test_a_gap_is_refused() -> None:
    with Digest() as digest, pytest.raises(ValueError, match="never hashed"):
        digest.update(1, b"x")


def test_it_may_be_closed_while_another_thread_goes_on() -> None:
    piece = bytes(MIB)
    for _ in range(20):
        digest = Digest()
        closed = threading.Event()

        def send(digest: Digest = digest, closed: threading.Event = closed) -> None:
            while not closed.is_set():
                digest.update(digest.position, piece)

        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send)
            eventually(lambda digest=digest: digest.position > 4 * MIB)  # type: ignore[misc]  # bound in this round
            digest.close()
            counted = digest.position
            closed.set()
            sending.result(PATIENCE)

        assert digest.position == counted
        assert digest.hexdigest() == hashlib.sha256(bytes(counted)).hexdigest()
    assert not [thread for thread in threading.enumerate() if thread.name == "flowcept-sha256"]
