"""From the credentials of a call to the principal that it is made by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from flowcept.errors import Reason, UnauthenticatedError, shorten
from flowcept_service.domain.principals import Principal, Scope
from flowcept_service.security.tokens import Entry, TokenTable


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a call brings to prove who makes it."""

    token: str | None = field(default=None, repr=False)
    """The bearer token."""
    certificate: Sequence[str] = ()
    """Names in the client certificate, which TLS has checked; none where there is no certificate."""


class TokenVerifier(Protocol):
    """Checks JSON Web Tokens."""

    def verify(self, token: str) -> Principal:
        """The principal that a token speaks for. Raises UnauthenticatedError, UnavailableError (no keys yet)."""


class Authenticator:
    """Decides who calls.

    A token goes before a certificate: it is what the caller chose to present. A certificate alone is a principal if the
    tokens file names it. Where neither tokens nor an issuer are set up, the certificate authority decides alone who may
    call: whoever has a certificate may do everything.

    Args:
        tokens: The tokens file as it is now; None without one.
        verifier: Checks JSON Web Tokens; None without an issuer.
        now: The clock.
    """

    def __init__(
        self, tokens: Callable[[], TokenTable] | None, verifier: TokenVerifier | None, now: Callable[[], datetime]
    ) -> None:
        self._tokens = tokens
        self._verifier = verifier
        self._now = now

    def authenticate(self, credentials: Credentials) -> Principal:
        """The principal of a call.

        Raises:
            UnauthenticatedError: CREDENTIALS_MISSING, CREDENTIALS_INVALID.
            UnavailableError: The keys of the issuer could not be fetched yet.
        """
        if credentials.token is not None:
            return self.of_token(credentials.token)
        if credentials.certificate:
            return self._of_certificate(credentials.certificate)
        raise UnauthenticatedError(
            "the call has no credentials, and this service wants a token; give FLOWCEPT_TOKEN or FLOWCEPT_TOKEN_FILE "
            "(metadata `authorization: Bearer TOKEN`)",
            reason=Reason.CREDENTIALS_MISSING,
        )

    def of_token(self, token: str) -> Principal:
        """The principal that a bearer token speaks for.

        Raises:
            UnauthenticatedError: CREDENTIALS_INVALID.
            UnavailableError: The keys of the issuer could not be fetched yet.
        """
        entry = None if self._tokens is None else self._tokens().by_token(token)
        if entry is not None:
            return self._unexpired(entry, "token")
        if self._verifier is not None and token.count(".") == 2:
            return self._verifier.verify(token)
        raise UnauthenticatedError(
            "the token is none of those that this service accepts; check FLOWCEPT_TOKEN or FLOWCEPT_TOKEN_FILE, or ask "
            "whoever runs the service for a token"
        )

    def _of_certificate(self, names: Sequence[str]) -> Principal:
        if self._tokens is None and self._verifier is None:
            return Principal(names[0], frozenset(Scope))
        table = None if self._tokens is None else self._tokens()
        for name in names:
            entry = None if table is None else table.by_certificate(name)
            if entry is not None:
                return self._unexpired(entry, "certificate")
        raise UnauthenticatedError(
            f"the call has no token, and its certificate ({shorten(', '.join(names))}) is not in the tokens file of "
            "this service; give FLOWCEPT_TOKEN or FLOWCEPT_TOKEN_FILE",
            reason=Reason.CREDENTIALS_MISSING,
        )

    def _unexpired(self, entry: Entry, what: str) -> Principal:
        if entry.is_expired(self._now()):
            raise UnauthenticatedError(
                f"the {what} of {shorten(entry.principal.name)} expired at {entry.expires}; ask whoever runs the "
                "service for a new one"
            )
        return entry.principal
