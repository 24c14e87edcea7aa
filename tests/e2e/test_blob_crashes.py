"""The server is killed at any moment and started again: nothing half-written shows, and uploads go on."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import pytest

from tests.support.blobs import MIB, Blobs, chunks, commit, failure_of, header, pattern, sha256
from tests.support.conditions import PATIENCE, eventually
from tests.support.load import resume
from tests.support.server import ServerProcess

# A channel that waits seconds between attempts to connect would make these tests slow.
QUICK = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.use_local_subchannel_pool", 1),
]


STEP = 8 * MIB
"""Becomes durable at once."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path) as server:
        yield server


def connected(server: ServerProcess) -> grpc.Channel:
    return grpc.insecure_channel(server.target, options=QUICK)


@pytest.mark.parametrize("seed", range(4))
def test_an_upload_survives_kills_at_any_moment(server: ServerProcess, seed: int) -> None:
    moments = random.Random(seed)
    data = pattern(48 * MIB, seed=seed)
    with connected(server) as channel:
        uploading = threading.Thread(target=resume, args=(Blobs(channel), data, "upload", "object"), daemon=True)
        uploading.start()
        for place in sorted(moments.randrange(len(data)) for _ in range(3)):
            with connected(server) as watching:
                eventually(partial(_has_reached, Blobs(watching), place))
            time.sleep(moments.uniform(0.0, 0.1))  # anywhere within what follows
            server.restart()
            with connected(server) as fresh:
                _assert_whole_or_absent(Blobs(fresh), data)
        uploading.join(PATIENCE)
        assert not uploading.is_alive()
    with connected(server) as channel:
        assert Blobs(channel).get() == data
        assert Blobs(channel).versions() == [0]


def _has_reached(blobs: Blobs, place: int) -> bool:
    """Whether so much of the upload is durable, or all of it."""
    state = blobs.staged("upload")
    return state.HasField("object") or state.staged_bytes > place - STEP


def _assert_whole_or_absent(blobs: Blobs, data: bytes) -> None:
    try:
        seen = blobs.object()
    except grpc.RpcError as error:
        refusal = failure_of(error).reason
    else:
        assert (seen.object_size_bytes, seen.data_sha256) == (len(data), sha256(data))
        return
    assert refusal == "OBJECT_NOT_FOUND"


def test_what_was_staged_before_a_kill_is_not_sent_again(server: ServerProcess) -> None:
    data = pattern(24 * MIB)
    with connected(server) as channel:
        assert Blobs(channel).refused([header(), *chunks(data)]).reason == "UPLOAD_NOT_COMMITTED"
    server.restart()
    with connected(server) as channel:
        blobs = Blobs(channel)
        assert blobs.staged().staged_bytes == len(data)
        blobs.upload([header(), commit(data)])
        assert blobs.get() == data


@pytest.mark.parametrize("seed", range(2))
def test_kills_during_commits_leave_no_gap_and_no_duplicate(server: ServerProcess, seed: int) -> None:
    moments = random.Random(seed)
    killed_enough = threading.Event()
    written: list[bytes] = []

    def write(blobs: Blobs, writer: int) -> None:
        number = 0
        while not killed_enough.is_set():
            payload = f"payload {number} of writer {writer}".encode()
            resume(blobs, payload, f"{writer}-{number}", "object")
            written.append(payload)
            number += 1

    with connected(server) as channel:
        blobs = Blobs(channel)
        threads = [threading.Thread(target=write, args=(blobs, writer), daemon=True) for writer in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            enough = len(written) + moments.randrange(1, 40)
            eventually(lambda enough=enough: len(written) >= enough)  # type: ignore[misc]  # bound in this round
            server.restart()
        killed_enough.set()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
    with connected(server) as channel:
        blobs = Blobs(channel)
        assert blobs.versions() == list(range(len(written)))[::-1]
        stored = [blobs.get(version=version) for version in range(len(written))]
        assert sorted(stored) == sorted(written)
        links = [blobs.object(version=version).prev_version for version in range(1, len(written))]
        assert links == list(range(len(written) - 1))
