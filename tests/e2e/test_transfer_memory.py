"""Large payloads in both directions: neither process may hold more than a small part of one."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.support.clients import peak_mib, run_client
from tests.support.server import ServerProcess

MIB = 1 << 20
LIMIT_MIB = 200

CLIENT = """
import json, sys
from pathlib import Path
from flowcept.config import ClientSettings
from flowcept.db import DBAPI


def peak():
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024


target, action, argument = sys.argv[1:]
with DBAPI(ClientSettings.load(target=target)) as db:
    assert db.liveness_test()
    before = peak()
    if action == "put":
        db.save_or_update_object(Path(argument), object_id="large")
        size = db.get_blob_object("large").object_size_bytes
    elif action == "put-iterator":
        pieces = (bytes(700_000) for _ in range(int(argument) // 700_000))
        db.save_or_update_object(pieces, object_id="streamed")
        size = db.get_blob_object("streamed").object_size_bytes
    else:
        size = sum(map(len, db.get_blob_object("large").chunks()))
    print(json.dumps({"grown": peak() - before, "size": size}))
"""


@pytest.mark.timeout(300)
def test_two_gigabytes_pass_in_bounded_memory_on_both_sides(tmp_path: Path) -> None:
    passes_in_bounded_memory(tmp_path, 2 << 30)


def test_payloads_pass_in_bounded_memory_to_and_from_mongodb(tmp_path: Path, mongodb_uri: str) -> None:
    base, _, options = mongodb_uri.partition("?")
    uri = f"{base.rstrip('/')}/memory_{uuid.uuid4().hex}?{options}"
    passes_in_bounded_memory(tmp_path, 512 * MIB, "--store", "mongodb", "--mongodb-uri", uri)


def passes_in_bounded_memory(tmp_path: Path, size: int, *arguments: str) -> None:
    payload = tmp_path / "payload"
    with payload.open("wb") as file:
        file.truncate(size)  # a hole: what is measured is the transfer, not the disk that the file comes from
    with ServerProcess(tmp_path, *arguments) as server:
        before = peak_mib(server.pid)
        put = run_client(CLIENT, server.target, "put", str(payload))
        streamed = run_client(CLIENT, server.target, "put-iterator", str(512 * MIB))
        after_uploads = peak_mib(server.pid) - before
        got = run_client(CLIENT, server.target, "get", "")
        after_download = peak_mib(server.pid) - before
    assert put["size"] == got["size"] == size
    grown = {
        "client, upload": put["grown"],
        "client, upload from an iterator": streamed["grown"],
        "client, download": got["grown"],
        "server, uploads": after_uploads,
        "server, download": after_download,
    }
    assert max(grown.values()) < LIMIT_MIB, grown
