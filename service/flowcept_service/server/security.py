"""Putting authentication together from the settings, and refusing to be open to the world by accident."""

from __future__ import annotations

import ipaddress
import socket
import time
from dataclasses import replace

import grpc
import structlog

from flowcept.errors import InvalidArgumentError
from flowcept_service.config import SecurityOptions
from flowcept_service.rpc.authentication import Authentication
from flowcept_service.rpc.authorization import Authorization
from flowcept_service.security.authentication import Authenticator
from flowcept_service.security.certificates import Certificates, watched_certificates
from flowcept_service.security.issuer import Issuer
from flowcept_service.security.keys import KeyRing
from flowcept_service.security.oidc import Claims, JwtVerifier
from flowcept_service.security.tokens import read_tokens
from flowcept_service.security.watched import Watched
from flowcept_service.server.methods import SUBSCRIBE
from flowcept_service.server.stores import now

_log = structlog.get_logger(__name__)


def authenticator_of(options: SecurityOptions) -> Authenticator | None:
    """What finds out who calls; None where nobody asks.

    Raises:
        InvalidArgumentError: The tokens file is broken.
    """
    if not options.authenticates:
        return None
    file = options.auth_tokens_file
    tokens = None if file is None else Watched("the tokens file", [file], lambda content: read_tokens(content[0]))
    return Authenticator(None if tokens is None else tokens.current, _verifier(options), now)


def access_control(authenticator: Authenticator | None) -> list[grpc.ServerInterceptor]:
    """The interceptors that decide who may call what; none where everybody may."""
    if authenticator is None:
        return []
    # Who calls, then what they may do.
    return [
        Authentication(authenticator, {SUBSCRIBE}, time.monotonic),
        Authorization(),
    ]


def transport_security(options: SecurityOptions) -> grpc.ServerCredentials | None:
    """The credentials of TLS, made anew for the next connection when a file changes; None without TLS.

    Raises:
        InvalidArgumentError: A file is broken.
    """
    if options.tls_cert_file is None or options.tls_key_file is None:
        return None
    certificates = watched_certificates(options.tls_cert_file, options.tls_key_file, options.tls_client_ca_file)
    used = certificates.current()

    def replaced() -> grpc.ServerCertificateConfiguration | None:
        # Asked before every handshake. Who is connected stays so.
        nonlocal used
        now_there = certificates.current()
        if now_there is used:
            return None
        used = now_there
        return _configuration(now_there)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(used),
        replaced,  # type: ignore[arg-type]  # the stubs lack the None that means no change
        require_client_authentication=options.tls_client_ca_file is not None,
    )


def check_exposure(listen: str, options: SecurityOptions) -> None:
    """Refuse to be reached from elsewhere without authentication, or with credentials that anybody could overhear.

    Raises:
        InvalidArgumentError: with the settings that are missing.
    """
    if stays_on_this_machine(listen):
        return
    missing = []
    if not options.authenticates:
        missing.append("authentication (--auth-tokens-file, an OIDC issuer, or --tls-client-ca-file)")
    if not options.encrypts:
        missing.append("TLS (--tls-cert-file and --tls-key-file)")
    if missing and options.insecure:
        _log.warning(
            "others can reach this service unprotected, as it was told to allow", address=listen, missing=missing
        )
    elif missing:
        raise InvalidArgumentError(
            f"listening on {listen} would let others reach this service without {' and without '.join(missing)}; set "
            "that up, listen on 127.0.0.1, or say --insecure (FLOWCEPT_SERVICE_INSECURE=true) where the network, or a "
            "proxy in front, protects it",
            field="insecure",
            listen=listen,
        )


def _verifier(options: SecurityOptions) -> JwtVerifier | None:
    if options.auth_oidc_issuer is None or options.auth_oidc_audience is None:
        return None
    issuer = Issuer(options.auth_oidc_issuer, options.auth_oidc_jwks_url, options.auth_oidc_ca_file)
    keys = KeyRing(issuer.fetch_keys, time.monotonic)
    # Now, so that the first call finds them. An issuer that is away does not keep the service from starting.
    keys.refresh()
    claims = Claims(
        issuer=options.auth_oidc_issuer,
        audience=options.auth_oidc_audience,
        skew_seconds=options.auth_oidc_clock_skew_seconds,
        campaigns=options.auth_oidc_campaigns_claim,
    )
    if options.auth_oidc_scopes_claim is not None:
        claims = replace(claims, scopes=(options.auth_oidc_scopes_claim,))
    return JwtVerifier(keys, claims)


def shows_names_to_anybody(http_listen: str | None, options: SecurityOptions) -> bool:
    """Whether the status page may show what users have named without asking who reads it.

    Where nobody has to say who calls, and the page is as hard to reach as the service itself has to be.
    """
    if options.authenticates or http_listen is None:
        return False
    return options.insecure or stays_on_this_machine(http_listen)


def stays_on_this_machine(listen: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if listen.startswith("unix:"):
        return True
    host = listen.rpartition(":")[0].strip("[]")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False  # binding will say what is wrong with it
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificates.key, certificates.chain)], certificates.client_authorities
    )
