"""The server is killed at any moment and started again: nothing half-written shows, and uploads go on."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.support.blobs import MIB, Blobs, chunks, commit, failure_of, header, pattern, sha256
from tests.support.load import resume
from tests.support.server import ServerProcess

# A channel that waits seconds between attempts to connect would make these tests slow.
QUICK = [
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.use_local_subchannel_pool", 1),
]


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
        blobs = Blobs(channel)
        uploading = threading.Thread(target=resume, args=(blobs, data, "upload", "object"))
        uploading.start()
        for _ in range(3):
            time.sleep(moments.uniform(0.0, 0.25))
            server.restart()
            with connected(server) as fresh:
                _assert_whole_or_absent(Blobs(fresh), data)
        uploading.join(timeout=60)
        assert not uploading.is_alive()
    with connected(server) as channel:
        assert Blobs(channel).get() == data
        assert Blobs(channel).versions() == [0]


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
        threads = [threading.Thread(target=write, args=(blobs, writer)) for writer in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            time.sleep(moments.uniform(0.02, 0.2))
            server.restart()
        killed_enough.set()
        for thread in threads:
            thread.join()
    with connected(server) as channel:
        blobs = Blobs(channel)
        assert blobs.versions() == list(range(len(written)))[::-1]
        stored = [blobs.get(version=version) for version in range(len(written))]
        assert sorted(stored) == sorted(written)
        links = [blobs.object(version=version).prev_version for version in range(1, len(written))]
        assert links == list(range(len(written) - 1))
