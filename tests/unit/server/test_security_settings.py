"""What a service refuses to start with, before it is open to the world."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowcept.errors import InvalidArgumentError
from flowcept_service.config import SecurityOptions, ServiceSettings
from flowcept_service.server.security import authenticator_of, check_exposure, transport_security
from tests.support.certificates import Authority, server_settings

TOKENS = SecurityOptions(auth_tokens_file=Path("tokens.toml"))
TLS = SecurityOptions(tls_cert_file=Path("c"), tls_key_file=Path("k"))
BEYOND = ["0.0.0.0:50051", "[::]:50051", "192.0.2.1:50051", "no-such-host.invalid:50051"]


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.1.2.3:1", "localhost:50051", "[::1]:80", "unix:/tmp/socket"])
def test_on_this_machine_nothing_needs_to_be_set_up(listen: str) -> None:
    check_exposure(listen, SecurityOptions())


@pytest.mark.parametrize("listen", BEYOND)
def test_beyond_this_machine_authentication_and_tls_are_needed(listen: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        check_exposure(listen, SecurityOptions())
    for remedy in ("--auth-tokens-file", "--tls-cert-file", "127.0.0.1", "--insecure", "FLOWCEPT_SERVICE_INSECURE"):
        assert remedy in raised.value.message


def test_tokens_that_anybody_could_overhear_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="without TLS"):
        check_exposure(BEYOND[0], TOKENS)


def test_encryption_without_authentication_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="without authentication"):
        check_exposure(BEYOND[0], TLS)


@pytest.mark.parametrize(
    "options",
    [
        SecurityOptions(insecure=True),
        SecurityOptions(tls_cert_file=Path("c"), tls_key_file=Path("k"), auth_tokens_file=Path("t")),
        SecurityOptions(tls_cert_file=Path("c"), tls_key_file=Path("k"), tls_client_ca_file=Path("a")),
    ],
)
def test_what_is_set_up_or_said_to_be_insecure_may_listen_anywhere(options: SecurityOptions) -> None:
    for listen in BEYOND:
        check_exposure(listen, options)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"tls_cert_file": "c"}, "TLS_KEY_FILE"),
        ({"tls_key_file": "k"}, "TLS_CERT_FILE"),
        ({"tls_client_ca_file": "a"}, "TLS_CERT_FILE"),
        ({"auth_oidc_issuer": "https://login.example.org"}, "AUTH_OIDC_AUDIENCE"),
        ({"auth_oidc_audience": "flowcept"}, "AUTH_OIDC_ISSUER"),
    ],
)
def test_a_setting_that_needs_another_names_it(given: dict[str, str], missing: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"FLOWCEPT_SERVICE_{missing}"):
        ServiceSettings.load(environ={}, security=given)


@pytest.mark.parametrize("url", ["http://login.example.org", "login.example.org", "file:///etc/passwd", "https://"])
def test_an_issuer_that_could_be_impersonated_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="https"):
        ServiceSettings.load(environ={"FLOWCEPT_SERVICE_AUTH_OIDC_ISSUER": url})


def test_a_tokens_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="missing cannot be read"):
        authenticator_of(SecurityOptions(auth_tokens_file=tmp_path / "missing"))


@pytest.mark.parametrize("setting", ["tls_cert_file", "tls_key_file", "tls_client_ca_file"])
@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_broken_certificate_file_is_refused_by_its_setting(tmp_path: Path, setting: str, content: bytes) -> None:
    authority = Authority(tmp_path)
    given = {**server_settings(authority.server(), authority.file)}
    broken = given[setting]
    assert broken is not None
    broken.write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=f"FLOWCEPT_SERVICE_{setting.upper()}"):
        transport_security(ServiceSettings.load(environ={}, security=given).security)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    given = {**server_settings(authority.server())}
    given["tls_key_file"] = authority.server("other").key_file
    with pytest.raises(InvalidArgumentError, match="the key of another certificate"):
        transport_security(ServiceSettings.load(environ={}, security=given).security)
