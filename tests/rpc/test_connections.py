"""Bounds on connections, and what clients notice of them."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from flowcept.v1.provenance_service_pb2 import SubscribeRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.config import ConnectionOptions
from flowcept_service.server.options import server_options
from tests.support.blobs import Blobs
from tests.support.conditions import eventually
from tests.support.hostile import PREFACE
from tests.support.provenance import DEADLINE
from tests.support.server import service_in_process


def test_connections_beyond_the_bound_are_closed_and_others_come_in_when_they_go(tmp_path: Path) -> None:
    connections = {"max_connections": 5}
    with service_in_process(tmp_path / "data", connections=connections) as service, ExitStack() as stack:
        for _ in range(5):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            held.sendall(PREFACE)
            assert held.recv(1), "the service speaks to this one"
        with socket.create_connection(("127.0.0.1", service.port)) as further:
            further.settimeout(DEADLINE)
            with suppress(ConnectionResetError):
                assert further.recv(1) == b""
        stack.close()
        with grpc.insecure_channel(service.target) as channel:
            # The service may learn a moment later than this client that the others have gone.
            eventually(lambda: Blobs.succeeds(Blobs(channel).staged))


@pytest.mark.parametrize("beginning", [b"", b"GET / HTTP/1.1\r\n", PREFACE[:10]], ids=["silence", "http", "half"])
def test_a_connection_that_does_not_begin_is_closed(tmp_path: Path, beginning: bytes) -> None:
    connections = {"handshake_seconds": 0.3}
    with (
        service_in_process(tmp_path / "data", connections=connections) as service,
        socket.create_connection(("127.0.0.1", service.port)) as connection,
    ):
        connection.settimeout(DEADLINE)
        connection.sendall(beginning)
        with suppress(ConnectionResetError):
            while connection.recv(1000):
                pass


def test_a_client_that_vanishes_without_closing_loses_its_connection(tmp_path: Path) -> None:
    connections = {"keepalive_seconds": 1.0}
    with (
        service_in_process(tmp_path / "data", connections=connections) as service,
        socket.create_connection(("127.0.0.1", service.port)) as connection,
    ):
        connection.settimeout(DEADLINE)
        connection.sendall(PREFACE)
        with suppress(ConnectionResetError):
            while connection.recv(1000):
                pass  # settings, then the pings that nobody answers


def test_calls_begun_on_an_old_connection_end_after_the_grace_period_at_the_latest(tmp_path: Path) -> None:
    connections = {"age_seconds": 0.3, "grace_seconds": 0.3}
    with (
        service_in_process(tmp_path / "data", connections=connections) as service,
        grpc.insecure_channel(service.target) as channel,
    ):
        stream = ProvenanceStub(channel).Subscribe(SubscribeRequest(), timeout=DEADLINE)
        with pytest.raises(grpc.RpcError) as raised:
            list(stream)
        call: Any = raised.value
        assert call.code() == grpc.StatusCode.UNAVAILABLE
        # The channel connects anew by itself. That connection becomes old too, perhaps under a slow call.
        eventually(lambda: Blobs.succeeds(Blobs(channel).staged))


def test_without_an_age_connections_last() -> None:
    names = [name for name, _ in server_options(ConnectionOptions())]
    assert "grpc.max_connection_age_ms" not in names
    assert len(names) == len(set(names))
