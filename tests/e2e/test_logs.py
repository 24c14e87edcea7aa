"""What the log says of calls: which, by whom, in which trace; and never a secret."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import GetObjectRequest, GetUploadRequest
from tests.support.blobs import Blobs
from tests.support.conditions import PATIENCE
from tests.support.security import entry, token_of
from tests.support.server import ServerProcess

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(entry("alice", scopes=["write"]))
    environ = {"FLOWCEPT_SERVICE_AUTH_TOKENS_FILE": str(tokens), "FLOWCEPT_SERVICE_LOG_CALLS": "true"}
    with ServerProcess(tmp_path, "--log-format", "json", environ=environ) as server:
        yield server


def ask(server: ServerProcess, method: str, request_id: str, token: str = "") -> None:
    metadata = [("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"), ("x-request-id", request_id)]
    if token:
        metadata.append(("authorization", f"Bearer {token}"))
    request = GetUploadRequest(upload_id="u") if method == "GetUpload" else GetObjectRequest(object_id="o")
    with grpc.insecure_channel(server.target) as channel:
        # How it ends is what the log has to say.
        getattr(Blobs(channel).stub, method).future(request, metadata=metadata).exception(timeout=PATIENCE)


def lines(server: ServerProcess) -> list[dict[str, Any]]:
    """All lines of the log, once the service has ended; each is a JSON object."""
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_every_call_has_one_line_with_its_request_principal_and_trace(server: ServerProcess) -> None:
    ask(server, "GetUpload", "good", token_of("alice"))
    ask(server, "GetObject", "forbidden", token_of("alice"))
    ask(server, "GetUpload", "stranger")
    ask(server, "GetUpload", "forger", "fcs_forged")
    found = [line for line in lines(server) if line["event"] == "call"]
    assert [(line["request_id"], line["principal"], line["code"]) for line in found] == [
        ("good", "alice", "OK"),
        ("forbidden", "alice", "PERMISSION_DENIED"),
        # Nobody is named as long as nothing is proven, and not who used the thread before.
        ("stranger", "", "UNAUTHENTICATED"),
        ("forger", "", "UNAUTHENTICATED"),
    ]
    assert {line["trace_id"] for line in found} == {TRACE}
    assert {line["level"] for line in found} == {"info"}


def test_no_line_has_a_token_even_where_everything_is_logged(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(entry("alice", scopes=["write"]))
    environ = {"FLOWCEPT_SERVICE_AUTH_TOKENS_FILE": str(tokens), "FLOWCEPT_SERVICE_LOG_LEVEL": "debug"}
    with ServerProcess(tmp_path, "--log-format", "json", environ=environ) as server:
        ask(server, "GetUpload", "good", token_of("alice"))
        ask(server, "GetUpload", "forger", "fcs_forged")
        ask(server, "GetUpload", "malformed", f"Basic {token_of('alice')}")
        assert len([line for line in lines(server) if line["event"] == "call"]) == 3
    text = server.log.read_text()
    assert token_of("alice") not in text
    assert "fcs_forged" not in text


def test_calls_that_went_well_are_not_logged_unless_somebody_wants_that(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, "--log-format", "json") as server:
        ask(server, "GetUpload", "good")
        assert [line["event"] for line in lines(server)] == ["listening", "draining", "readiness changed", "stopped"]
