"""Transfers through a connection that breaks, to a real service."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from pathlib import Path

import pytest

from flowcept.errors import UnavailableError
from tests.client.conftest import PATIENT, Connect
from tests.support.proxy import Break, Fault, FaultyProxy
from tests.support.server import ServerProcess

MIB = 1 << 20
PAYLOAD = random.Random(5).randbytes(40 * MIB)
SHA256 = hashlib.sha256(PAYLOAD).hexdigest()


def faults(seed: int, kind: Break, direction: str) -> list[Fault]:
    """A few breaks at random offsets."""
    chosen = random.Random(seed)
    return [Fault(**{direction: chosen.randrange(1, 12 * MIB)}, kind=kind) for _ in range(3)]


@pytest.mark.parametrize("kind", [Break.CLOSE, Break.RESET])
@pytest.mark.parametrize("seed", range(3))
def test_an_upload_survives_cuts_at_random_offsets(
    service: str, connect: Connect, object_id: str, kind: Break, seed: int
) -> None:
    with FaultyProxy(service, *faults(seed, kind, "after_sent")) as proxy:
        blob_id = connect(proxy.target).save_or_update_object(PAYLOAD, object_id=object_id)
        assert proxy.broken == 3
    assert connect(service).get_blob_fingerprint(blob_id)["data_sha256"] == SHA256
    assert len(connect(service).get_object_history(blob_id)) == 1


@pytest.mark.parametrize("seed", range(3))
def test_an_upload_from_an_iterator_survives_cuts(service: str, connect: Connect, object_id: str, seed: int) -> None:
    pieces = (PAYLOAD[at : at + 300_000] for at in range(0, len(PAYLOAD), 300_000))
    with FaultyProxy(service, *faults(seed, Break.RESET, "after_sent")) as proxy:
        connect(proxy.target).save_or_update_object(pieces, object_id=object_id)
        assert proxy.broken == 3
    assert connect(service).get_blob_fingerprint(object_id)["data_sha256"] == SHA256


def test_downloads_survive_cuts_at_random_offsets(
    service: str, connect: Connect, object_id: str, tmp_path: Path
) -> None:
    connect(service).save_or_update_object(PAYLOAD, object_id=object_id)
    for seed, kind in enumerate((Break.CLOSE, Break.RESET)):
        with FaultyProxy(service, *faults(seed, kind, "after_received")) as proxy:
            assert connect(proxy.target).get_blob_object(object_id).data == PAYLOAD
            assert proxy.broken == 3
    with FaultyProxy(service, *faults(7, Break.RESET, "after_received")) as proxy:
        path = connect(proxy.target).get_blob_object(object_id).save_to(tmp_path / "file")
        assert path.read_bytes() == PAYLOAD
    with (
        FaultyProxy(service, *faults(8, Break.RESET, "after_received")) as proxy,
        connect(proxy.target).get_blob_object(object_id).open() as file,
    ):
        assert file.read() == PAYLOAD


def test_half_open_connections_are_left(service: str, connect: Connect, object_id: str) -> None:
    with FaultyProxy(service, Fault(after_sent=5 * MIB, kind=Break.FREEZE)) as proxy:
        impatient = connect(proxy.target, idle_timeout=1.0, timeout=1.0)
        with pytest.raises((TimeoutError, ConnectionError)):
            # The frozen connection stays the channel's only one until keepalive gives it up.
            impatient.save_or_update_object(PAYLOAD, object_id=object_id, upload_id=object_id)
    # Another process, with another connection, continues.
    connect(service).save_or_update_object(PAYLOAD, object_id=object_id, upload_id=object_id)
    assert connect(service).get_blob_fingerprint(object_id)["data_sha256"] == SHA256


def test_a_slow_network_is_no_broken_one(service: str, connect: Connect, object_id: str) -> None:
    with FaultyProxy(service, delay=0.01) as proxy:
        slow = connect(proxy.target)
        slow.save_or_update_object(PAYLOAD[: 4 * MIB], object_id=object_id)
        assert slow.get_blob_object(object_id).data == PAYLOAD[: 4 * MIB]
        assert proxy.connections == 1


def test_an_upload_survives_the_death_and_restart_of_the_service(tmp_path: Path, connect: Connect) -> None:
    payload = os.urandom(64 * MIB)
    with ServerProcess(tmp_path) as server:
        restarting: list[threading.Thread] = []

        def progress(at: int, _total: int | None) -> None:
            if at > 24 * MIB and not restarting:
                restarting.append(threading.Thread(target=server.restart))
                restarting[0].start()

        db = connect(server.target, retry=PATIENT)
        db.save_or_update_object(payload, object_id="x", progress=progress)
        restarting[0].join()
        assert db.get_blob_object("x").data == payload
        assert [row["version"] for row in db.get_object_history("x")] == [0]


def test_a_download_survives_the_death_and_restart_of_the_service(tmp_path: Path, connect: Connect) -> None:
    payload = os.urandom(64 * MIB)
    with ServerProcess(tmp_path) as server:
        db = connect(server.target, retry=PATIENT)
        db.save_or_update_object(payload, object_id="x")
        received = bytearray()
        for piece in db.get_blob_object("x").chunks():
            if len(received) < 20 * MIB <= len(received) + len(piece):
                server.restart()
            received += piece
        assert received == payload


def test_a_service_that_never_comes_back_ends_the_transfer(tmp_path: Path, connect: Connect) -> None:
    with ServerProcess(tmp_path) as server:
        db = connect(server.target, idle_timeout=2.0)

        def progress(at: int, _total: int | None) -> None:
            if 4 * MIB < at < 4 * MIB + 70_000:
                server.kill()

        with pytest.raises(UnavailableError, match="cannot be reached"):
            db.save_or_update_object(PAYLOAD, progress=progress)
