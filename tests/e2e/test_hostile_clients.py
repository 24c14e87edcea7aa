"""What hostile clients do to others: nothing that these would notice, and nothing that stays."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import AbortUploadRequest, GetObjectRequest
from flowcept.v1.provenance_service_pb2 import PublishRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from tests.support.blobs import MIB, Blobs, chunks, header, pattern
from tests.support.conditions import PATIENCE, eventually
from tests.support.hostile import KINDS, busy_processes, hostile
from tests.support.load import resume
from tests.support.provenance import task
from tests.support.security import entry, sending, token_of
from tests.support.server import ServerProcess

LIMITS = {
    "MAX_UPLOADS": 16,
    "MAX_DOWNLOADS": 16,
    "MAX_SUBSCRIPTIONS": 16,
    "MAX_CALLS": 16,
    "UPLOADS_PER_PRINCIPAL": 8,
    "DOWNLOADS_PER_PRINCIPAL": 8,
    "IDLE_SECONDS": 5,
    "REQUEST_SECONDS": 2,
    "QUERY_SECONDS": 2,
    "HANDSHAKE_SECONDS": 2,
    "KEEPALIVE_SECONDS": 1,
}
"""As for a small service, and as impatient as it may be without taking a client on a busy machine for an idle one."""
MOST_THREADS = 200
"""Of all pools together, with gRPC's own and those of the store."""
MOST_BYTES = 500 * MIB
ROUNDS = 25
BUSY_CORES = dict.fromkeys(KINDS, 1) | {"random_bytes": 2}
"""Cores that an attack keeps busy, wherever the service has them: an ordinary client would notice that much of any busy
neighbour. Of thousands of connections a second, the ends of both sides take one each."""
SLOWER = 2.0
"""How much slower than beside such neighbours calls may be, at most."""
NOISE_SECONDS = 0.005
STALL_SECONDS = 0.1
"""For the few calls of which the system's scheduler makes the slowest."""
ATTEMPTS = 10
"""What other programs on the machine cost passes; what an attack costs is there every time."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that calls of an ordinary client took."""

    median: float
    worst_but_few: float

    def is_like(self, beside: Latency) -> bool:
        """Whether calls take about as long as they do beside a busy neighbour."""
        return (
            self.median <= SLOWER * beside.median + NOISE_SECONDS
            and self.worst_but_few <= SLOWER * beside.worst_but_few + STALL_SECONDS
        )


class Victim:
    """An ordinary client: looks at an object, saves one, publishes a record."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._blobs = Blobs(channel)
        self._provenance = ProvenanceStub(channel)
        self._number = 0

    def measured(self) -> Latency:
        """The latency of some rounds, all of which succeed."""
        seconds = sorted(self._round() for _ in range(ROUNDS))
        return Latency(statistics.median(seconds), seconds[int(ROUNDS * 0.9)])

    def _round(self) -> float:
        self._number += 1
        name = f"victim-{os.getpid()}-{self._number}"
        began = time.monotonic()
        self._blobs.stub.GetObject(GetObjectRequest(object_id="large"), timeout=PATIENCE)
        self._blobs.put(b"x" * 1000, name, name)
        self._provenance.Publish(PublishRequest(messages=[task(name)]), timeout=PATIENCE)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("hostile")
    tokens = directory / "tokens.toml"
    tokens.write_text("".join(entry(name, scopes=["read", "write", "publish"]) for name in ("victim", "mallory")))
    environ = {f"FLOWCEPT_SERVICE_{name}": str(value) for name, value in LIMITS.items()}
    with ServerProcess(directory, environ={**environ, "FLOWCEPT_SERVICE_AUTH_TOKENS_FILE": str(tokens)}) as server:
        yield server
    log = server.log.read_text()
    assert "Traceback" not in log, log[-4000:]
    assert '"level": "error"' not in log, log[-4000:]


@pytest.fixture(scope="module")
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.target) as channel:
        yield sending(channel, token_of("victim"))


@pytest.fixture(scope="module")
def victim(channel: grpc.Channel) -> Victim:
    resume(Blobs(channel), pattern(32 * MIB), "large", "large", control_version=False)
    for start in range(0, 2000, 500):
        tasks = [task(f"t{n}", used={"text": "x" * 2000 + "zy", "n": n}) for n in range(start, start + 500)]
        ProvenanceStub(channel).Publish(PublishRequest(messages=tasks), timeout=PATIENCE)
    victim = Victim(channel)
    victim.measured()
    return victim


def descriptors(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def threads(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.pid}/task").iterdir()))


@pytest.mark.parametrize("kind", KINDS)
def test_others_keep_their_latency_and_nothing_leaks(server: ServerProcess, victim: Victim, kind: str) -> None:
    held = descriptors(server)
    seen: list[tuple[Latency, Latency]] = []
    while not any(during.is_like(beside) for during, beside in seen):
        assert len(seen) < ATTEMPTS, seen
        with busy_processes(BUSY_CORES[kind]):
            beside = victim.measured()
        with hostile(kind, server.target, token_of("mallory")):
            seen.append((victim.measured(), beside))
            assert server.memory_bytes() < MOST_BYTES
    eventually(lambda: descriptors(server) <= held + 5)
    assert threads(server) <= MOST_THREADS
    assert server.memory_bytes() < MOST_BYTES


def test_uploads_that_were_left_alone_hold_nothing_but_what_was_staged(
    server: ServerProcess, victim: Victim, channel: grpc.Channel
) -> None:
    with hostile("idle_uploads", server.target, token_of("mallory")):
        victim.measured()
    assert not Blobs(channel).staged("idle-0").exists, "a header stages nothing"
    uploads = [f"after-{n}" for n in range(8)]
    eventually(lambda: Blobs.succeeds(lambda: [Blobs(channel).put(b"x", name, name) for name in uploads]))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "a/../../b", "C:\\x", "%2e%2e%2f", "~root"])
def test_identifiers_that_look_like_paths_are_only_names(
    server: ServerProcess, channel: grpc.Channel, name: str
) -> None:
    blobs = Blobs(channel)
    before = _files(server.directory)
    blobs.put(name.encode(), f"upload of {name}", name, fields={"type": name})
    assert blobs.get(name) == name.encode()
    assert blobs.refused([header(name, name), *chunks(pattern(9 * MIB))]).reason == "UPLOAD_NOT_COMMITTED"
    assert blobs.staged(name).staged_bytes == 9 * MIB
    assert blobs.stub.AbortUpload(AbortUploadRequest(upload_id=name), timeout=PATIENCE).existed
    assert _files(server.directory) == before


def _files(directory: Path) -> set[Path]:
    """All files, but those that a service replaces now and then."""
    return {path for path in directory.rglob("*") if path.suffix not in {".tmp", ".new"}}
