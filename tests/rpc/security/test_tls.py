"""TLS and client certificates, and that both may be replaced while the service runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import trustme

from flowcept_service.server.service import Service
from tests.support.blobs import MIB, Blobs, chunks, commit, header, pattern
from tests.support.certificates import Authority, Identity, secure_channel, server_settings
from tests.support.security import entry, replace_file
from tests.support.server import service_in_process


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def identity(authority: Authority) -> Identity:
    return authority.server()


@pytest.fixture
def service(tmp_path: Path, identity: Identity) -> Iterator[Service]:
    with service_in_process(tmp_path / "data", security=server_settings(identity)) as service:
        yield service


def answers(channel: grpc.Channel) -> bool:
    """Whether a call gets through: the object that it asks for is not there."""
    code = Blobs.failing(lambda: Blobs(channel).object("nothing")).code
    assert code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE)
    return code is grpc.StatusCode.NOT_FOUND


def test_calls_are_encrypted(service: Service, authority: Authority) -> None:
    with secure_channel(service.target, authority.file) as channel:
        assert Blobs(channel).put(b"data", "upload").data_sha256
        assert Blobs(channel).get() == b"data"


def test_plain_text_is_not_answered(service: Service) -> None:
    with grpc.insecure_channel(service.target) as channel:
        assert not answers(channel)


def test_a_service_of_another_authority_is_not_trusted(service: Service, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    with secure_channel(service.target, other.file) as channel:
        assert not answers(channel)


def test_a_replaced_certificate_is_used_for_new_connections_and_old_ones_go_on(
    service: Service, authority: Authority, identity: Identity, tmp_path: Path
) -> None:
    data = pattern(2 * MIB)
    other = Authority(tmp_path, "other")

    def messages() -> Iterator[object]:
        yield header("upload")
        parts = chunks(data)
        yield next(parts)
        identity.write(other.ca.issue_cert("localhost", "127.0.0.1"))
        with secure_channel(service.target, other.file) as new:
            assert answers(new)
        with secure_channel(service.target, authority.file) as old:
            assert not answers(old)
        yield from parts
        yield commit(data)

    with secure_channel(service.target, authority.file) as channel:
        Blobs(channel).upload(messages())  # type: ignore[arg-type]
        assert Blobs(channel).get() == data


@pytest.mark.parametrize("broken", ["cert_file", "key_file"])
def test_a_broken_replacement_leaves_the_certificate_in_use(
    service: Service, authority: Authority, identity: Identity, broken: str
) -> None:
    replace_file(getattr(identity, broken), b"nonsense")
    with secure_channel(service.target, authority.file) as channel:
        assert answers(channel)


def test_a_key_that_belongs_to_another_certificate_is_not_used_until_its_certificate_is_there(
    service: Service, authority: Authority, identity: Identity, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    issued = other.ca.issue_cert("localhost", "127.0.0.1")
    replace_file(identity.key_file, issued.private_key_pem.bytes())
    with secure_channel(service.target, authority.file) as channel:
        assert answers(channel)
    replace_file(identity.cert_file, b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    with secure_channel(service.target, other.file) as channel:
        assert answers(channel)


@pytest.fixture
def clients(tmp_path: Path) -> Authority:
    """The authority of client certificates."""
    return Authority(tmp_path, "clients")


@pytest.fixture
def mutual(tmp_path: Path, identity: Identity, clients: Authority) -> Iterator[Service]:
    with service_in_process(tmp_path / "mutual", security=server_settings(identity, clients.file)) as service:
        yield service


def test_a_client_certificate_is_enough_where_nothing_else_is_set_up(
    mutual: Service, authority: Authority, clients: Authority
) -> None:
    with secure_channel(mutual.target, authority.file, clients.issue("node", "node-7.example.org")) as channel:
        assert answers(channel)


def test_a_client_without_a_certificate_is_not_answered(mutual: Service, authority: Authority) -> None:
    with secure_channel(mutual.target, authority.file) as channel:
        assert not answers(channel)


def test_a_client_certificate_of_another_authority_is_not_accepted(
    mutual: Service, authority: Authority, tmp_path: Path
) -> None:
    with secure_channel(mutual.target, authority.file, authority.issue("node", "node-7.example.org")) as channel:
        assert not answers(channel)


def test_replaced_authorities_of_clients_are_used_for_new_connections(
    mutual: Service, authority: Authority, clients: Authority
) -> None:
    replacement = trustme.CA(organization_name="next")
    before = clients.issue("before", "node-7.example.org")
    replace_file(clients.file, replacement.cert_pem.bytes())
    after = Identity(clients.directory / "after.pem", clients.directory / "after.key")
    after.write(replacement.issue_cert("node-7.example.org"))
    with secure_channel(mutual.target, authority.file, after) as channel:
        assert answers(channel)
    with secure_channel(mutual.target, authority.file, before) as channel:
        assert not answers(channel)


@pytest.fixture
def mapped(tmp_path: Path, identity: Identity, clients: Authority) -> Iterator[Service]:
    """A service whose tokens file names certificates."""
    file = tmp_path / "tokens.toml"
    file.write_text(
        entry("by-name", sha256=None, certificate="node-7.example.org")
        + entry("by-cn", sha256=None, certificate="Node Seven", scopes=["write"])
    )
    security = {**server_settings(identity, clients.file), "auth_tokens_file": file}
    with service_in_process(tmp_path / "mapped", security=security) as service:
        yield service


def test_a_certificate_that_the_tokens_file_names_is_a_principal(
    mapped: Service, authority: Authority, clients: Authority
) -> None:
    with secure_channel(mapped.target, authority.file, clients.issue("node", "node-7.example.org")) as channel:
        assert answers(channel)
        assert Blobs(channel).refused([header()]).metadata == {"scope": "write"}


def test_the_common_name_counts_only_where_there_is_no_alternative_name(
    mapped: Service, authority: Authority, clients: Authority
) -> None:
    both = clients.issue("both", "stranger.example.org", common_name="Node Seven")
    with secure_channel(mapped.target, authority.file, both) as channel:
        failure = Blobs.failing(lambda: Blobs(channel).object())
        assert failure.reason == "CREDENTIALS_MISSING"
        assert "stranger.example.org" in failure.error.message
