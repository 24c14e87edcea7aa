"""The service's certificate, its key, and the authorities of its clients: read, checked, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from flowcept.errors import InvalidArgumentError
from flowcept_service.security.watched import Watched


@dataclass(frozen=True, slots=True)
class Certificates:
    """What TLS needs, as PEM, checked to belong together."""

    chain: bytes
    key: bytes = field(repr=False)
    client_authorities: bytes | None
    """Authorities of client certificates; None where clients need none."""
    expires: datetime


def watched_certificates(chain: Path, key: Path, client_authorities: Path | None) -> Watched[Certificates]:
    """The certificates in some files.

    Raises:
        InvalidArgumentError: A file is not there, is not PEM, or the key is not that of the certificate.
    """
    files = [chain, key] if client_authorities is None else [chain, key, client_authorities]
    return Watched("the TLS certificate", files, _certificates)


def _certificates(contents: Sequence[bytes]) -> Certificates:
    chain, key = contents[:2]
    authorities = contents[2] if len(contents) > 2 else None
    certificate = _load(chain, "tls_cert_file", "TLS_CERT_FILE")
    if authorities is not None:
        _load(authorities, "tls_client_ca_file", "TLS_CLIENT_CA_FILE")
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _broken("tls_key_file", "TLS_KEY_FILE", "holds no private key in PEM without a password") from None
    if private.public_key() != certificate.public_key():
        raise _broken(
            "tls_key_file", "TLS_KEY_FILE", "holds the key of another certificate than the first in tls_cert_file"
        )
    return Certificates(chain, key, authorities, certificate.not_valid_after_utc)


def _load(content: bytes, field: str, variable: str) -> x509.Certificate:
    """The first certificate; all of them must be readable."""
    try:
        return x509.load_pem_x509_certificates(content)[0]
    except ValueError:
        raise _broken(field, variable, "holds no certificates in PEM") from None


def _broken(field: str, variable: str, problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{field} (FLOWCEPT_SERVICE_{variable}) {problem}; give another file", field=field)
