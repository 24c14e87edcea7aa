"""The client and a service that wants TLS, certificates and tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowcept.cli._exit import ExitCode
from flowcept.cli._main import run
from flowcept.config import ClientSettings
from flowcept.db import DBAPI
from flowcept.errors import (
    FlowceptError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    Reason,
    UnauthenticatedError,
    UnavailableError,
)
from flowcept_service.rpc import authentication
from tests.client.conftest import Connect
from tests.support.certificates import SERVER_NAME, Authority, Identity, server_settings
from tests.support.security import entry, replace_file, token_of
from tests.support.server import service_in_process

SCOPES = {"reader": ["read"], "writer": ["read", "write", "publish"], "admin": ["admin"]}


@dataclass(frozen=True, slots=True)
class Secured:
    """A service with TLS and tokens, and the authority of its certificate."""

    target: str
    authority: Authority
    tokens: Path

    def settings(self, token: str | None = "writer", **given: Any) -> dict[str, Any]:
        """Settings of a client."""
        secret = {} if token is None else {"token": token_of(token)}
        return {"tls": {"ca_file": self.authority.file}, **secret, **given}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    directory = tmp_path_factory.mktemp("secured")
    authority = Authority(directory)
    tokens = directory / "tokens.toml"
    tokens.write_text("".join(entry(name, scopes=scopes) for name, scopes in SCOPES.items()))
    security = {**server_settings(authority.server()), "auth_tokens_file": tokens}
    with service_in_process(directory / "data", security=security) as service:
        yield Secured(service.target, authority, tokens)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority of client certificates."""
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, secured: Secured, clients: Authority) -> Iterator[str]:
    """The address of a service that wants client certificates."""
    security = server_settings(secured.authority.issue("mutual", "127.0.0.1"), clients.file)
    with service_in_process(tmp_path_factory.mktemp("mutual"), security=security) as service:
        yield service.target


def use(db: DBAPI) -> None:
    """Every way to call: upload, download, unary, query, publish."""
    object_id = db.save_or_update_object(b"data" * 100_000, type="artifact")
    assert db.get_blob_object(object_id).data == b"data" * 100_000
    assert db.query({"type": "nothing"}) == []


def failure(db: DBAPI) -> FlowceptError:
    """How a call fails: at once, since neither waiting nor repeating it would change anything."""
    started = time.monotonic()
    with pytest.raises(FlowceptError) as raised:
        db.get_blob_object("nothing")
    assert time.monotonic() - started < db.connection.settings.timeout / 2
    return raised.value


def test_a_client_with_the_authority_and_a_token_does_everything(secured: Secured, connect: Connect) -> None:
    use(connect(secured.target, **secured.settings()))


def test_settings_come_from_the_environment(secured: Secured) -> None:
    environ = {
        "FLOWCEPT_TARGET": secured.target,
        "FLOWCEPT_TLS_CA": str(secured.authority.file),
        "FLOWCEPT_TLS_SERVER_NAME": SERVER_NAME,
        "FLOWCEPT_TOKEN": token_of("writer"),
    }
    with DBAPI(ClientSettings.load(environ=environ)) as db:
        use(db)


def test_settings_come_from_the_settings_file(secured: Secured, tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(token_of("writer") + "\n")
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f"service:\n  target: {secured.target}\n  token_file: {token_file}\n"
        f"  tls:\n    ca_file: {secured.authority.file}\n"
    )
    with DBAPI(ClientSettings.load(environ={"FLOWCEPT_SETTINGS_PATH": str(settings)})) as db:
        use(db)


def test_the_name_in_the_certificate_may_be_said(secured: Secured, connect: Connect) -> None:
    tls = {"ca_file": secured.authority.file, "server_name": SERVER_NAME}
    use(connect(secured.target, **secured.settings(tls=tls)))


# Connections that fail


def test_an_authority_that_did_not_issue_the_certificate_is_named_as_the_cause(
    secured: Secured, connect: Connect, clients: Authority
) -> None:
    error = failure(connect(secured.target, **secured.settings(tls={"ca_file": clients.file})))
    assert isinstance(error, UnavailableError)
    assert "FLOWCEPT_TLS_CA" in error.message


def test_a_certificate_for_another_name_is_named_as_the_cause(secured: Secured, connect: Connect) -> None:
    tls = {"ca_file": secured.authority.file, "server_name": "nobody.example.org"}
    error = failure(connect(secured.target, **secured.settings(tls=tls)))
    assert isinstance(error, UnavailableError)
    assert "FLOWCEPT_TLS_SERVER_NAME" in error.message


def test_a_client_without_tls_is_told_to_try_it(secured: Secured, connect: Connect) -> None:
    error = failure(connect(secured.target, token=token_of("writer")))
    assert isinstance(error, UnavailableError)
    assert "FLOWCEPT_TLS" in error.message


def test_a_client_with_tls_is_told_that_the_service_has_none(service: str, secured: Secured, connect: Connect) -> None:
    error = failure(connect(service, tls={"ca_file": secured.authority.file}))
    assert isinstance(error, UnavailableError)
    assert "does not speak TLS" in error.message


def test_a_file_that_is_no_certificate_is_refused_by_its_setting(secured: Secured, connect: Connect) -> None:
    with pytest.raises(InvalidArgumentError, match=r"tls\.ca_file .*missing.*cannot be read"):
        connect(secured.target, tls={"ca_file": secured.tokens.with_name("missing")}).get_blob_object("x")


# Client certificates


def test_a_client_certificate_is_presented(mutual: str, secured: Secured, connect: Connect, clients: Authority) -> None:
    node = clients.issue("node", "node-7.example.org")
    tls = {"ca_file": secured.authority.file, "cert_file": node.cert_file, "key_file": node.key_file}
    use(connect(mutual, tls=tls))


@pytest.mark.parametrize("identity", ["none", "of another authority"])
def test_without_an_accepted_certificate_the_client_is_told_what_may_be_missing(
    mutual: str, secured: Secured, connect: Connect, identity: str
) -> None:
    tls: dict[str, Path] = {"ca_file": secured.authority.file}
    if identity != "none":
        other: Identity = secured.authority.issue("other", "node-7.example.org")
        tls |= {"cert_file": other.cert_file, "key_file": other.key_file}
    error = failure(connect(mutual, tls=tls))
    assert isinstance(error, UnavailableError)
    assert "FLOWCEPT_TLS_CERT" in error.message


# Tokens


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (None, Reason.CREDENTIALS_MISSING),
        ("stranger", Reason.CREDENTIALS_INVALID),
    ],
)
def test_a_client_without_a_valid_token_is_not_authenticated(
    secured: Secured, connect: Connect, token: str | None, reason: Reason
) -> None:
    db = connect(secured.target, **secured.settings(token))
    error = failure(db)
    assert isinstance(error, UnauthenticatedError)
    assert error.reason is reason
    with pytest.raises(UnauthenticatedError):
        db.save_or_update_object(b"x" * 1_000_000)
    with pytest.raises(UnauthenticatedError):
        db.query({})
    with pytest.raises(UnauthenticatedError):
        next(iter(db.events()))


def test_a_scope_that_is_missing_is_named(secured: Secured, connect: Connect) -> None:
    db = connect(secured.target, **secured.settings("reader"))
    with pytest.raises(PermissionDeniedError, match="scope write") as raised:
        db.save_or_update_object(b"x" * 1_000_000)
    assert raised.value.reason is Reason.SCOPE_MISSING
    with pytest.raises(NotFoundError):
        db.get_blob_object("nothing")


def test_a_token_file_that_is_replaced_is_read_again(secured: Secured, connect: Connect, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token_of("stranger"))
    db = connect(secured.target, **secured.settings(None, token_file=file))
    assert isinstance(failure(db), UnauthenticatedError)
    replace_file(file, token_of("reader") + "\n")
    assert isinstance(failure(db), NotFoundError)
    file.unlink()
    assert "cannot be read" in failure(db).message


@pytest.mark.parametrize("content", ["", "\n", "two words", "töken", "line\nbreak", "\xff"])
def test_a_file_without_a_token_is_said_before_any_call(
    secured: Secured, connect: Connect, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "token"
    file.write_bytes(content.encode("latin-1"))
    error = failure(connect(secured.target, **secured.settings(None, token_file=file)))
    assert isinstance(error, UnauthenticatedError)
    assert "holds no token" in error.message
    assert not content.strip() or content.strip() not in error.message


def test_a_token_that_cannot_be_sent_is_not_shown(
    secured: Secured, connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    error = failure(connect(secured.target, tls={"ca_file": secured.authority.file}, token="se cret"))
    assert isinstance(error, UnauthenticatedError)
    assert "se cret" not in error.message + capfd.readouterr().err


# The command


@pytest.fixture
def command(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> Secured:
    """The environment of a command."""
    monkeypatch.setenv("FLOWCEPT_TARGET", secured.target)
    monkeypatch.setenv("FLOWCEPT_RETRY_ATTEMPTS", "2")
    monkeypatch.setenv("FLOWCEPT_RETRY_INITIAL_BACKOFF", "0.01")
    return secured


@pytest.mark.parametrize(
    ("token", "arguments", "code"),
    [
        ("writer", ["health"], ExitCode.OK),
        ("writer", ["blob", "put", "FILE"], ExitCode.OK),
        ("reader", ["blob", "put", "FILE"], ExitCode.DENIED),
        ("reader", ["blob", "stat", "nothing"], ExitCode.NOT_FOUND),
        ("stranger", ["blob", "stat", "nothing"], ExitCode.DENIED),
        ("stranger", ["query", "tasks"], ExitCode.DENIED),
    ],
)
def test_the_command_ends_with_the_documented_code(
    command: Secured,
    capfd: pytest.CaptureFixture[str],
    token: str,
    arguments: list[str],
    code: ExitCode,
) -> None:
    given = [str(command.authority.file) if argument == "FILE" else argument for argument in arguments]
    options = ["--tls-ca", str(command.authority.file), "--token", token_of(token)]
    assert run([*options, *given]) == code
    assert token_of(token) not in "".join(capfd.readouterr())


def test_the_command_tells_of_a_wrong_authority_as_unavailable(
    command: Secured, clients: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["--tls-ca", str(clients.file), "blob", "stat", "nothing"]) == ExitCode.UNAVAILABLE
    assert "FLOWCEPT_TLS_CA" in capfd.readouterr().err


def test_a_subscription_outlasts_its_token_where_the_file_has_a_new_one(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "RECHECK_SECONDS", 0.0)
    tokens, file = tmp_path / "tokens.toml", tmp_path / "token"
    tokens.write_text(entry("first", scopes=["admin"]))
    file.write_text(token_of("first"))
    with service_in_process(tmp_path / "data", security={"auth_tokens_file": tokens}) as service:
        db = connect(service.target, token_file=file)
        subscription = db.events(heartbeat=0.1)
        subscription.open()
        events = iter(subscription)
        db.save_or_update_object(b"one", object_id="one")
        assert next(events).id == "one"
        replace_file(file, token_of("second"))
        replace_file(tokens, entry("second", scopes=["admin"]))
        db.save_or_update_object(b"two", object_id="two")
        assert next(events).id == "two"
        replace_file(tokens, entry("third", scopes=["admin"]))
        with pytest.raises(UnauthenticatedError):
            next(events)
