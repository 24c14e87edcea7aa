"""Who may call which method: the table, and that the service keeps to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from flowcept_service.domain.principals import Scope
from flowcept_service.rpc.authorization import REQUIRED_SCOPES
from tests.support.blobs import Failure, failure_of
from tests.support.conditions import PATIENCE
from tests.support.security import METHODS, entry, replace_file, token_of

Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def outcome(channel: grpc.Channel, method: str, metadata: Metadata) -> Failure | None:
    """What becomes of an empty request, whatever the kind of the method; None when it is answered."""
    open_stream: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method, None, None)
    call = open_stream(iter([b""]), metadata=metadata, timeout=PATIENCE)
    try:
        next(iter(call), None)
    except grpc.RpcError as error:
        return failure_of(error)
    finally:
        call.cancel()
    return None


def test_the_table_names_every_method_of_the_contract_and_no_other() -> None:
    assert sorted(REQUIRED_SCOPES) == sorted(METHODS)


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_for_those_with_its_scope(channel: grpc.Channel, method: str, scope: Scope) -> None:
    failure = outcome(channel, method, bearer(token_of(scope)))
    needed = REQUIRED_SCOPES[method]
    if scope in (needed, Scope.ADMIN):
        assert failure is None or failure.code is grpc.StatusCode.INVALID_ARGUMENT
    else:
        assert failure is not None
        assert (failure.code, failure.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_MISSING")
        assert failure.metadata == {"scope": needed}
        assert needed in failure.error.message


@pytest.mark.parametrize("method", METHODS)
def test_a_call_without_credentials_is_refused(channel: grpc.Channel, method: str) -> None:
    failure = outcome(channel, method, ())
    assert failure is not None
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
    assert "FLOWCEPT_TOKEN" in failure.error.message


@pytest.mark.parametrize(
    "value",
    ["Bearer forged", "Bearer ", "Bearer", "Basic cmVhZDpyZWFk", token_of("read"), "", "Bearer a.b.c", "Bearer a b"],
)
def test_wrong_credentials_are_refused_without_being_shown(channel: grpc.Channel, value: str) -> None:
    failure = outcome(channel, METHODS[0], (("authorization", value),))
    assert failure is not None
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert "forged" not in failure.error.message
    assert "secret" not in failure.error.message


def test_one_of_several_credentials_is_not_chosen(channel: grpc.Channel) -> None:
    failure = outcome(channel, METHODS[0], (*bearer("forged"), *bearer(token_of("admin"))))
    assert failure is not None
    assert failure.code is grpc.StatusCode.UNAUTHENTICATED


def test_the_name_of_the_scheme_has_no_case(channel: grpc.Channel) -> None:
    failure = outcome(channel, METHODS[0], (("authorization", f"bearer {token_of('admin')}"),))
    assert failure is None or failure.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_method_that_does_not_exist_is_unimplemented_for_everybody(channel: grpc.Channel) -> None:
    failure = outcome(channel, "/flowcept.v1.BlobStore/Guess", ())
    assert failure is not None
    assert failure.code is grpc.StatusCode.UNIMPLEMENTED


def test_health_is_open_for_probes(channel: grpc.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_is_for_whoever_has_credentials(channel: grpc.Channel) -> None:
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    failure = outcome(channel, method, ())
    assert failure is not None
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
    assert outcome(channel, method, bearer(token_of("publish"))) is None


@pytest.fixture
def tokens(tokens_file: Path) -> Iterator[Path]:
    """The tokens file, as it was afterwards."""
    before = tokens_file.read_text()
    yield tokens_file
    replace_file(tokens_file, before)


def test_tokens_come_and_go_without_a_restart(channel: grpc.Channel, tokens: Path) -> None:
    new = bearer(token_of("new"))
    refused = outcome(channel, METHODS[0], new)
    assert refused is not None
    replace_file(tokens, entry("new", scopes=["admin"]))
    accepted = outcome(channel, METHODS[0], new)
    assert accepted is None or accepted.code is grpc.StatusCode.INVALID_ARGUMENT
    revoked = outcome(channel, METHODS[0], bearer(token_of("admin")))
    assert revoked is not None
    assert revoked.reason == "CREDENTIALS_INVALID"


def test_a_broken_tokens_file_revokes_nothing(channel: grpc.Channel, tokens: Path) -> None:
    for content in (tokens.read_text(), "admin = "):
        replace_file(tokens, content)
        accepted = outcome(channel, METHODS[0], bearer(token_of("admin")))
        assert accepted is None or accepted.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_token_that_has_expired_is_refused_with_its_time(channel: grpc.Channel, tokens: Path) -> None:
    replace_file(tokens, entry("old", scopes=["admin"])[:-3] + ", expires = 2020-01-01T00:00:00Z }\n")
    failure = outcome(channel, METHODS[0], bearer(token_of("old")))
    assert failure is not None
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert "expired at 2020-01-01" in failure.error.message
