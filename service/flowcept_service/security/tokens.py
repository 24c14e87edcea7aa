"""The tokens file: who may call with which token or certificate.

A TOML table with one entry for each principal, usually on a line of its own::

    trainer = { sha256 = "9f86d081...", scopes = ["read", "publish", "write"], campaigns = ["climate"] }
    nightly = { sha256 = "60303ae2...", scopes = ["read"], expires = 2027-01-01T00:00:00Z }
    "node-7.example.org" = { certificate = "node-7.example.org", scopes = ["publish"] }

Tokens are kept as plain SHA-256 hashes. Slow, salted hashes protect passwords that people choose, which can be guessed;
a token has 256 random bits, so nobody finds it by trying, and every call can afford the check.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Final

from flowcept.errors import FlowceptError, InvalidArgumentError, shorten
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.domain.principals import Principal, Scope

PREFIX: Final = "fcs_"
"""Begins every token, so that scanners for leaked secrets can recognise one."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS = ("sha256", "certificate", "scopes", "campaigns", "expires")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file."""

    principal: Principal
    sha256: bytes | None
    """Digest of the token."""
    certificate: str | None
    """Name in a client certificate; exactly one of the two is set."""
    expires: datetime | None = None

    def is_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires is not None and now >= self.expires


class TokenTable:
    """The entries, to be found by token or by certificate."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._key = secrets.token_bytes(32)
        self._by_token: dict[bytes, Entry] = {}
        self._by_certificate: dict[str, Entry] = {}
        for entry in entries:
            if entry.sha256 is not None:
                self._by_token[self._blinded(entry.sha256)] = entry
            if entry.certificate is not None:
                self._by_certificate[entry.certificate] = entry

    def __len__(self) -> int:
        return len(self._by_token) + len(self._by_certificate)

    def by_token(self, token: str) -> Entry | None:
        """The entry of a token."""
        # Looking up a digest could tell by its time how far it agrees with one in the table. What is looked up here is
        # a digest under a key that nobody knows: its time tells nothing, however many entries there are.
        blinded = self._blinded(hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest())
        return self._by_token.get(blinded)

    def by_certificate(self, name: str) -> Entry | None:
        """The entry of a certificate's name."""
        return self._by_certificate.get(name)

    def _blinded(self, digest: bytes) -> bytes:
        return hmac.digest(self._key, digest, "sha256")


def new_token() -> str:
    """A token: 256 random bits, in letters that need no quoting anywhere."""
    return PREFIX + secrets.token_urlsafe(32)


def read_tokens(content: bytes) -> TokenTable:
    """The table of a tokens file.

    Raises:
        InvalidArgumentError: The file is empty or not valid; the message names the entry, never a token or a digest.
    """
    if not content.strip():
        raise _invalid("it is empty; add an entry (`flowcept-service token new`), or a comment to refuse everybody")
    try:
        document = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise _invalid("it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise _invalid(f"it is not valid TOML: {error}") from None
    entries = [_entry(name, fields) for name, fields in document.items()]
    _refuse_twice([(entry, entry.sha256 or entry.certificate) for entry in entries])
    return TokenTable(entries)


def _entry(name: str, fields: Any) -> Entry:
    if not isinstance(fields, Mapping):
        raise _invalid(f'entry {shorten(name)} must be a table: {{ sha256 = "...", scopes = ["read"] }}')
    unknown = sorted(fields.keys() - set(_KEYS))
    if unknown:
        raise _invalid(f"entry {shorten(name)} has the unknown key {shorten(unknown[0])}; known: {', '.join(_KEYS)}")
    sha256, certificate = fields.get("sha256"), fields.get("certificate")
    if (sha256 is None) == (certificate is None):
        raise _invalid(f"entry {shorten(name)} needs one of sha256 and certificate, not both")
    if sha256 is not None and not (isinstance(sha256, str) and _DIGEST.fullmatch(sha256)):
        raise _invalid(
            f"sha256 of entry {shorten(name)} must be 64 lower-case hexadecimal digits: the SHA-256 of the token, not "
            "the token"
        )
    if certificate is not None and not (isinstance(certificate, str) and certificate):
        raise _invalid(f"certificate of entry {shorten(name)} must be a name in the client's certificate")
    return Entry(
        Principal(_identifier("a name", name), _scopes(name, fields.get("scopes")), _campaigns(name, fields)),
        None if sha256 is None else bytes.fromhex(sha256),
        certificate,
        _expires(name, fields.get("expires")),
    )


def _scopes(name: str, value: Any) -> frozenset[Scope]:
    known = ", ".join(Scope)
    if not isinstance(value, list) or not value:
        raise _invalid(f"scopes of entry {shorten(name)} must be a list of {known}")
    try:
        return frozenset(Scope(scope) for scope in value)
    except ValueError:
        wrong = next(scope for scope in value if scope not in tuple(Scope))
        raise _invalid(f"entry {shorten(name)} has the unknown scope {shorten(wrong)}; known: {known}") from None


def _campaigns(name: str, fields: Mapping[str, Any]) -> frozenset[str] | None:
    if "campaigns" not in fields:
        return None
    value = fields["campaigns"]
    if not isinstance(value, list):
        raise _invalid(f"campaigns of entry {shorten(name)} must be a list; leave it out to allow every campaign")
    return frozenset(_identifier(f"a campaign of entry {shorten(name)}", campaign) for campaign in value)


def _expires(name: str, value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time.min, UTC)
    raise _invalid(f"expires of entry {shorten(name)} must be a time without quotes, such as 2027-01-01T00:00:00Z")


def _identifier(what: str, value: Any) -> str:
    try:
        return check_identifier(what, value)
    except FlowceptError as error:
        raise _invalid(error.message) from None


def _refuse_twice(keys: Iterable[tuple[Entry, object]]) -> None:
    seen: dict[object, str] = {}
    for entry, key in keys:
        first = seen.setdefault(key, entry.principal.name)
        if first != entry.principal.name:
            raise _invalid(
                f"entries {shorten(first)} and {shorten(entry.principal.name)} have the same token or certificate"
            )


def _invalid(problem: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"the tokens file (FLOWCEPT_SERVICE_AUTH_TOKENS_FILE) is not valid: {problem}", field="auth_tokens_file"
    )
