"""Settings of transport security and of who may call."""

# ruff: noqa: RUF009 - `setting(...)` returns `dataclasses.field(...)`: nothing is shared between instances

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flowcept.config_values import boolean, optional_path, optional_text, seconds, text
from flowcept.errors import InvalidArgumentError
from flowcept_service.config.declaring import setting
from flowcept_service.security.urls import is_protected


def _optional_url(value: object) -> str | None:
    """A URL whose answers can be trusted."""
    url = text(value)
    if is_protected(url):
        return url
    raise ValueError("it must be an https URL, such as https://login.example.org/realms/science")


@dataclass(frozen=True, slots=True)
class SecurityOptions:
    """Transport security, and who may call. Files are read again when they change."""

    tls_cert_file: Path | None = setting(None, optional_path, env="TLS_CERT_FILE")
    """PEM file with the service's certificate and its intermediates. Given: clients must use TLS."""

    tls_key_file: Path | None = setting(None, optional_path, env="TLS_KEY_FILE")
    """PEM file with the private key of the certificate, without a password."""

    tls_client_ca_file: Path | None = setting(None, optional_path, env="TLS_CLIENT_CA_FILE")
    """PEM file with the authorities of client certificates. Given: clients must present one (mutual TLS)."""

    auth_tokens_file: Path | None = setting(None, optional_path, env="AUTH_TOKENS_FILE")
    """TOML file with the hashes, scopes and campaigns of tokens; `flowcept-service token new` makes its entries."""

    auth_oidc_issuer: str | None = setting(None, _optional_url, env="AUTH_OIDC_ISSUER")
    """Issuer of JSON Web Tokens to accept, exactly as their claim ``iss`` has it."""

    auth_oidc_audience: str | None = setting(None, optional_text, env="AUTH_OIDC_AUDIENCE")
    """What the claim ``aud`` of a JSON Web Token must name; needed with the issuer."""

    auth_oidc_jwks_url: str | None = setting(None, _optional_url, env="AUTH_OIDC_JWKS_URL")
    """Where the issuer's keys are; by default, where its discovery document says."""

    auth_oidc_ca_file: Path | None = setting(None, optional_path, env="AUTH_OIDC_CA_FILE")
    """PEM file with the authorities that the issuer's own certificate is checked against; by default the system's."""

    auth_oidc_clock_skew_seconds: float = setting(30.0, seconds(0.0), env="AUTH_OIDC_CLOCK_SKEW_SECONDS")
    """How far the issuer's clock may be off when the times of a JSON Web Token are checked."""

    auth_oidc_scopes_claim: str | None = setting(None, optional_text, env="AUTH_OIDC_SCOPES_CLAIM")
    """Claim with the scopes, as a list or separated by spaces; by default ``scope``, or ``scp`` where there is none."""

    auth_oidc_campaigns_claim: str = setting("flowcept_campaigns", text, env="AUTH_OIDC_CAMPAIGNS_CLAIM")
    """Claim with the campaigns that a JSON Web Token is confined to; a token without it may touch every one."""

    insecure: bool = setting(False, boolean, env="INSECURE")
    """Listen beyond this machine although calls are not authenticated, or not encrypted. What is set up is enforced."""

    def __post_init__(self) -> None:
        """Refuse what only makes sense together, when a part is missing."""
        self._require("tls_cert_file", "TLS_CERT_FILE", "tls_key_file", "tls_client_ca_file")
        self._require("tls_key_file", "TLS_KEY_FILE", "tls_cert_file")
        self._require("auth_oidc_issuer", "AUTH_OIDC_ISSUER", "auth_oidc_audience", "auth_oidc_jwks_url")
        self._require("auth_oidc_audience", "AUTH_OIDC_AUDIENCE", "auth_oidc_issuer")

    @property
    def encrypts(self) -> bool:
        """Whether calls are encrypted."""
        return self.tls_cert_file is not None

    @property
    def authenticates(self) -> bool:
        """Whether callers must say, and prove, who they are."""
        return any((self.tls_client_ca_file, self.auth_tokens_file, self.auth_oidc_issuer))

    def _require(self, name: str, variable: str, *because: str) -> None:
        given = [other for other in because if getattr(self, other) is not None]
        if given and getattr(self, name) is None:
            raise InvalidArgumentError(
                f"{name} (FLOWCEPT_SERVICE_{variable}) is missing, and {given[0]} makes no sense without it; give both",
                field=name,
            )
