"""Subscriptions have no end, but the credentials that they began with have."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.rpc import authentication
from flowcept_service.server.service import Service
from tests.support.blobs import MIB, Blobs, Failure, chunks, commit, failure_of, header, pattern
from tests.support.conditions import eventually
from tests.support.provenance import EventStream, subscribe
from tests.support.security import entry, replace_file, sending, token_of
from tests.support.server import service_in_process


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens.toml"
    file.write_text(entry("reader") + entry("writer", scopes=["write"]))
    return file


@pytest.fixture
def service(tmp_path: Path, tokens: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(authentication, "RECHECK_SECONDS", 0.0)
    with service_in_process(tmp_path / "data", security={"auth_tokens_file": tokens}) as service:
        yield service


@pytest.fixture
def channel(service: Service) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.target) as channel:
        yield channel


def subscription(channel: grpc.Channel) -> EventStream:
    reader = ProvenanceStub(sending(channel, token_of("reader")))
    return subscribe(reader, heartbeat_interval=Duration(nanos=100_000_000))


def end_of(stream: EventStream) -> Failure:
    """How a stream ends."""
    with pytest.raises(grpc.RpcError) as raised:
        for _ in stream:
            pass
    return failure_of(raised.value)


def test_a_withdrawn_token_ends_its_subscriptions(channel: grpc.Channel, tokens: Path) -> None:
    stream = subscription(channel)
    replace_file(tokens, entry("writer", scopes=["write"]))
    assert end_of(stream).reason == "CREDENTIALS_INVALID"


def test_changed_rights_make_a_subscriber_come_again(channel: grpc.Channel, tokens: Path) -> None:
    stream = subscription(channel)
    replace_file(tokens, entry("reader", campaigns=["a"]))
    assert end_of(stream).code is grpc.StatusCode.UNAVAILABLE


def test_a_subscription_goes_on_while_its_token_is_valid(channel: grpc.Channel, tokens: Path) -> None:
    stream = subscription(channel)
    replace_file(tokens, entry("reader") + entry("another"))
    for _ in range(3):
        next(stream)
    stream.cancel()


def test_an_upload_may_finish_what_it_was_allowed_to_begin(
    service: Service, channel: grpc.Channel, tokens: Path
) -> None:
    data = pattern(12 * MIB)

    def messages() -> Iterator[object]:
        yield header()
        parts = chunks(data)
        yield from islice(parts, 10)
        eventually(lambda: service.storage.state().staged_bytes > 0)
        replace_file(tokens, entry("reader"))
        yield from parts
        yield commit(data)

    assert Blobs(sending(channel, token_of("writer"))).upload(messages()).object.version == 0  # type: ignore[arg-type]
