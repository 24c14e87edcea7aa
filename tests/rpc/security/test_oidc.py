"""JSON Web Tokens at the real service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import GetObjectRequest
from flowcept_service.security.keys import WAIT_SECONDS
from flowcept_service.server.service import Service
from tests.support.blobs import Blobs
from tests.support.issuer import AUDIENCE, Provider, SigningKey, provider
from tests.support.security import entry, sending, token_of
from tests.support.server import service_in_process


@pytest.fixture
def issuer() -> Iterator[Provider]:
    with provider() as issuer:
        yield issuer


@pytest.fixture
def service(tmp_path: Path, issuer: Provider) -> Iterator[Service]:
    file = tmp_path / "tokens.toml"
    file.write_text(entry("static"))
    security = {"auth_tokens_file": file, "auth_oidc_issuer": issuer.url, "auth_oidc_audience": AUDIENCE}
    with service_in_process(tmp_path / "data", security=security) as service:
        yield service


@pytest.fixture
def channel(service: Service) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.target) as channel:
        yield channel


def reason(channel: grpc.Channel, token: str) -> str:
    """Why reading an object fails; it is not there."""
    return Blobs.failing(lambda: Blobs(sending(channel, token)).object()).reason


def test_tokens_of_the_issuer_and_of_the_file_are_accepted_beside_each_other(
    channel: grpc.Channel, issuer: Provider
) -> None:
    assert reason(channel, issuer.token()) == "OBJECT_NOT_FOUND"
    assert reason(channel, token_of("static")) == "OBJECT_NOT_FOUND"
    assert reason(channel, issuer.token(SigningKey("first"))) == "CREDENTIALS_INVALID"


def test_a_token_allows_what_its_scopes_say(channel: grpc.Channel, issuer: Provider) -> None:
    assert reason(channel, issuer.token(scope="publish")) == "SCOPE_MISSING"
    confined = issuer.token(scope="read write", flowcept_campaigns=["a"])
    assert Blobs.failing(lambda: Blobs(sending(channel, confined)).put(b"", "u")).reason == "CAMPAIGN_DENIED"


def test_an_issuer_that_hangs_holds_up_nobody_else(tmp_path: Path, issuer: Provider) -> None:
    issuer.answers.clear()
    file = tmp_path / "tokens.toml"
    file.write_text(entry("static"))
    security = {"auth_tokens_file": file, "auth_oidc_issuer": issuer.url, "auth_oidc_audience": AUDIENCE}
    with (
        service_in_process(tmp_path / "data", security=security, limits={"max_calls": 8}) as service,
        grpc.insecure_channel(service.target) as channel,
    ):
        forged = Blobs(sending(channel, issuer.token(SigningKey("forged")))).stub
        calls = [forged.GetObject.future(GetObjectRequest(object_id="x")) for _ in range(50)]
        started = time.monotonic()
        assert reason(channel, token_of("static")) == "OBJECT_NOT_FOUND"
        assert time.monotonic() - started < WAIT_SECONDS / 2
        issuer.answers.set()
        codes = {Blobs.failing(call.result).code for call in calls}
        assert codes == {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED}
        assert reason(channel, issuer.token()) == "OBJECT_NOT_FOUND"


def test_a_service_starts_while_its_issuer_is_away(tmp_path: Path) -> None:
    with provider() as issuer:
        away = issuer.url
        token = issuer.token()
    security = {"auth_oidc_issuer": away, "auth_oidc_audience": AUDIENCE}
    with (
        service_in_process(tmp_path / "data", security=security) as service,
        grpc.insecure_channel(service.target) as channel,
    ):
        failure = Blobs.failing(lambda: Blobs(sending(channel, token)).object())
        assert failure.code is grpc.StatusCode.UNAVAILABLE
