"""The command `flowcept-service`: starting, refusing to start, and ending."""

from __future__ import annotations

import ctypes
import hashlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.request import urlopen

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import UploadRequest
from flowcept_service.config import settings_table
from tests.support.blobs import MIB, Blobs, chunk, chunks, header, pattern
from tests.support.conditions import PATIENCE, eventually
from tests.support.server import ServerProcess


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path, "--log-format", "json") as server:
        yield server


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowcept_service", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def refused(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """It ended with the code and one line of explanation, not with a traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    line = next(line for line in done.stderr.splitlines() if line.startswith("flowcept-service: "))
    for part in parts:
        assert part in line


def test_a_data_directory_in_use_is_refused(server: ServerProcess) -> None:
    done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", str(server.data_dir))
    refused(done, 5, str(server.data_dir), "in use")


def test_a_port_in_use_is_refused(server: ServerProcess, tmp_path: Path) -> None:
    done = run("serve", "--listen", server.target, "--data-dir", str(tmp_path / "other"))
    refused(done, 5, server.target, "choose another port")


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    done = run("serve", "--insecure", "--listen", "192.0.2.1:50051", "--data-dir", str(tmp_path))
    refused(done, 2, "192.0.2.1:50051", "no such address")


def test_an_address_that_others_reach_needs_protection_or_a_word(tmp_path: Path) -> None:
    done = run("serve", "--listen", "0.0.0.0:0", "--data-dir", str(tmp_path))
    refused(done, 2, "0.0.0.0:0", "--auth-tokens-file", "--tls-cert-file", "--insecure")


def test_a_malformed_address_is_refused() -> None:
    refused(run("serve", "--listen", "nonsense"), 2, "nonsense", "127.0.0.1:50051")


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("serve", "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "file" / "data"))
    refused(done, 5, "data directory")


def test_a_ready_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    ready = tmp_path / "nowhere" / "ready.json"
    data = ("--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"))
    refused(run("serve", *data, "--ready-file", str(ready)), 2, str(ready), "No such file or directory")


def test_a_connection_string_that_is_none_is_a_wrong_setting() -> None:
    done = run("serve", "--listen", "127.0.0.1:0", "--store", "mongodb", "--mongodb-uri", "localhost:27017")
    refused(done, 2, "mongodb://localhost/flowcept?replicaSet=rs0")


def test_a_database_that_is_away_is_named_with_the_reason_in_short() -> None:
    uri = "mongodb://127.0.0.1:1/db?replicaSet=rs0&serverSelectionTimeoutMS=200"
    done = run("serve", "--listen", "127.0.0.1:0", "--store", "mongodb", "--mongodb-uri", uri)
    refused(done, 5, "127.0.0.1:1", "Connection refused", "check that it runs")
    assert "Topology" not in done.stderr


def test_the_ready_file_tells_the_address_and_is_gone_at_the_end(server: ServerProcess) -> None:
    ready = json.loads((server.directory / "ready.json").read_text())
    assert ready == {"address": server.target, "port": int(server.target.rpartition(":")[2]), "pid": server.pid}
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not (server.directory / "ready.json").exists()


def test_the_log_tells_where_it_listens_on_standard_error_as_json(server: ServerProcess) -> None:
    eventually(lambda: "\n" in server.log.read_text())
    first = json.loads(server.log.read_text().splitlines()[0])
    assert (first["event"], first["address"], first["data_dir"]) == ("listening", server.target, str(server.data_dir))


def test_a_misspelt_variable_is_told_at_the_start(tmp_path: Path) -> None:
    environ = {"FLOWCEPT_SERVICE_MAX_UPLOAD": "3"}
    with ServerProcess(tmp_path, "--log-format", "json", environ=environ) as server:
        first = json.loads(server.log.read_text().splitlines()[0])
        assert (first["level"], first["variable"]) == ("warning", "FLOWCEPT_SERVICE_MAX_UPLOAD")
        assert first["meant"] == "FLOWCEPT_SERVICE_MAX_UPLOADS"


def test_the_ports_of_pages_and_probes_are_told_with_the_address(tmp_path: Path) -> None:
    environ = {f"FLOWCEPT_SERVICE_{name}_LISTEN": "127.0.0.1:0" for name in ("HTTP", "HEALTH")}
    with ServerProcess(tmp_path, "--log-format", "json", environ=environ) as server:
        ready = json.loads((tmp_path / "ready.json").read_text())
        with urlopen(f"http://127.0.0.1:{ready['http_port']}/readyz", timeout=10) as answer:
            assert answer.read() == b"ok\n"
        with socket.create_connection(("127.0.0.1", ready["health_port"]), 10):
            pass
        eventually(lambda: "\n" in server.log.read_text())
        first = json.loads(server.log.read_text().splitlines()[0])
        assert (first["http_port"], first["health_port"]) == (ready["http_port"], ready["health_port"])


def test_a_signal_that_another_thread_receives_is_not_lost(server: ServerProcess) -> None:
    other = next(int(task.name) for task in Path(f"/proc/{server.pid}/task").iterdir() if task.name != str(server.pid))
    assert ctypes.CDLL(None).tgkill(server.pid, other, signal.SIGTERM) == 0
    assert server.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_service_cleanly(server: ServerProcess, number: signal.Signals) -> None:
    server.signal(number)
    assert server.wait() == 0


def test_a_second_signal_ends_at_once(server: ServerProcess) -> None:
    queue: SimpleQueue[UploadRequest | None] = SimpleQueue()
    for message in (header(), *chunks(pattern(9 * MIB))):
        queue.put(message)
    with grpc.insecure_channel(server.target) as channel:
        blobs = Blobs(channel)
        upload = blobs.stub.Upload.future(iter(queue.get, None))
        eventually(lambda: blobs.staged().exists)
        server.signal(signal.SIGTERM)
        eventually(lambda: "draining" in server.log.read_text())
        server.signal(signal.SIGTERM)
        assert server.wait() == 130
        queue.put(None)
        assert upload.exception(timeout=PATIENCE) is not None


@contextmanager
def listening(address: str, directory: Path) -> Iterator[dict[str, Any]]:
    """A service on an address; what its ready file tells."""
    ready = directory / "ready"
    command = [sys.executable, "-m", "flowcept_service", "serve", "--listen", address]
    arguments = ["--data-dir", str(directory / "data"), "--ready-file", str(ready)]
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL)
    try:
        eventually(ready.exists)
        yield dict(json.loads(ready.read_text()))
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_service_listens_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening(f"unix:{path}", tmp_path), grpc.insecure_channel(f"unix:{path}") as channel:
        Blobs(channel).put(b"data", "u")
        assert Blobs(channel).get() == b"data"


def test_a_service_that_may_choose_its_port_tells_which_one_it_has(tmp_path: Path) -> None:
    with listening("127.0.0.1:0", tmp_path) as told, grpc.insecure_channel(told["address"]) as channel:
        assert told["address"] == f"127.0.0.1:{told['port']}"
        assert Blobs(channel).put(b"data", "u").version == 0


def test_two_services_never_share_a_port(server: ServerProcess) -> None:
    host, _, port = server.target.rpartition(":")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind((host, int(port)))


def test_the_version_and_every_setting_can_be_asked_for() -> None:
    assert "flowcept-service, version" in run("--version").stdout
    listed = run("settings")
    assert "FLOWCEPT_SERVICE_LISTEN  [127.0.0.1:50051]" in listed.stdout
    rows = [json.loads(line) for line in run("settings", "--json").stdout.splitlines()]
    assert (rows[0]["env"], rows[0]["default"]) == ("FLOWCEPT_SERVICE_LISTEN", "127.0.0.1:50051")
    assert [row["env"] for row in rows] == [row.env for row in settings_table()]
    assert "Exit codes" in run("serve", "--help").stdout


@pytest.mark.parametrize("arguments", [("settings",), ("config",), ("token", "new", "x", "--scope", "read")])
def test_output_that_cannot_be_written_is_one_line_of_explanation(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "flowcept_service", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
    refused(done, 1, "No space left on device")


def test_a_large_payload_goes_through_in_constant_memory(server: ServerProcess) -> None:
    block = pattern(16 * MIB)
    size, messages = 512 * MIB, _large(block, 512 * MIB)
    with grpc.insecure_channel(server.target) as channel:
        blobs = Blobs(channel)
        blobs.put(b"warm", "warm", "warm")
        before = server.memory_bytes()
        made = blobs.upload(messages).object
        assert made.object_size_bytes == size
        assert server.memory_bytes() - before < 200 * MIB


def _large(block: bytes, size: int) -> Iterator[UploadRequest]:
    digest = hashlib.sha256()
    yield header()
    for start in range(0, size, len(block)):
        for offset in range(0, len(block), MIB):
            piece = block[offset : offset + MIB]
            digest.update(piece)
            yield chunk(start + offset, piece)
    message = UploadRequest()
    message.commit.object_size_bytes = size
    message.commit.data_sha256 = digest.hexdigest()
    yield message


def test_status_shows_how_the_service_is(tmp_path: Path) -> None:
    environ = {"FLOWCEPT_SERVICE_PROBE_SECONDS": "0.2"}
    with ServerProcess(tmp_path, environ=environ) as server, grpc.insecure_channel(server.target) as channel:
        blobs = Blobs(channel)
        # A name that would colour the terminal of whoever looks.
        blobs.put(pattern(2 * MIB), "u1", "\x1b[31mred")
        assert blobs.refused([header("u2", "unfinished"), *chunks(pattern(9 * MIB))]).reason == "UPLOAD_NOT_COMMITTED"

        def shown() -> dict[str, Any]:
            return dict(json.loads(run("status", "--data-dir", str(server.data_dir), "--json").stdout))

        eventually(lambda: shown()["staged"]["uploads"] == 1 and len(shown()["last_events"]) == 1)
        status = shown()
        text = run("status", "--data-dir", str(server.data_dir))
    assert (status["running"], status["ready"], status["store"]) == (True, True, "lmdb")
    assert (status["address"], status["version"]) == (server.target, version("flowcept-service"))
    assert status["log"]["last"] == 1
    assert status["staged"]["bytes"] == 9 * MIB
    assert {database["name"] for database in status["databases"]} == {"records", "payloads"}
    assert status["last_events"][0]["id"] == "\x1b[31mred"
    assert status["janitor"]["failures"] == 0
    assert text.returncode == 0
    assert "ready      yes" in text.stdout
    assert "log        1 to 1" in text.stdout
    assert "\x1b" not in text.stdout
