"""Certificate authorities, and files with what they issue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
import trustme

from tests.support.security import replace_file

SERVER_NAME = "service.example.org"


@dataclass(frozen=True, slots=True)
class Identity:
    """Files with a certificate and its key."""

    cert_file: Path
    key_file: Path

    def write(self, issued: trustme.LeafCert) -> None:
        """Put a certificate in the place of what is there, the key first."""
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        replace_file(self.key_file, issued.private_key_pem.bytes())
        replace_file(self.cert_file, chain)


class Authority:
    """A certificate authority with a directory for its files."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory = directory
        self.ca = trustme.CA(organization_name=name)
        self.file = directory / f"{name}.pem"
        self.ca.cert_pem.write_to_path(self.file)

    def issue(self, name: str, *identities: str, common_name: str | None = None) -> Identity:
        """A certificate for some names, in files."""
        identity = Identity(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        identity.write(self.ca.issue_cert(*identities, common_name=common_name))
        return identity

    def server(self, name: str = "server") -> Identity:
        """A certificate for a service on this machine."""
        return self.issue(name, "localhost", "127.0.0.1", SERVER_NAME)


def server_settings(identity: Identity, client_ca: Path | None = None) -> Mapping[str, Path | None]:
    """The settings of a service with this certificate."""
    return {
        "tls_cert_file": identity.cert_file,
        "tls_key_file": identity.key_file,
        "tls_client_ca_file": client_ca,
    }


def secure_channel(target: str, ca_file: Path, identity: Identity | None = None) -> grpc.Channel:
    """A channel that trusts an authority, with a client certificate or without one."""
    return grpc.secure_channel(
        target,
        grpc.ssl_channel_credentials(
            ca_file.read_bytes(),
            None if identity is None else identity.key_file.read_bytes(),
            None if identity is None else identity.cert_file.read_bytes(),
        ),
    )
