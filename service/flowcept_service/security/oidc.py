"""JSON Web Tokens of an OpenID provider: checked, and read as principals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from flowcept.errors import FlowceptError, UnauthenticatedError, shorten
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.domain.principals import Principal, Scope
from flowcept_service.security.keys import ALGORITHMS, KeyRing

_PREFIX = "flowcept:"
"""What scopes may begin with, where an issuer's scopes are shared by several services."""
_REQUIRED = ("exp", "iss", "aud", "sub")

_PROBLEMS: Final[Sequence[tuple[type[jwt.PyJWTError], str]]] = (
    (jwt.ExpiredSignatureError, "has expired; get a new one from its issuer"),
    (jwt.ImmatureSignatureError, "is not valid yet; compare the clocks of this service and of the token's issuer"),
    (jwt.InvalidAudienceError, "is for another audience than this service"),
    (jwt.InvalidIssuerError, "is of another issuer than the one that this service trusts"),
    (jwt.MissingRequiredClaimError, f"lacks one of the claims {', '.join(_REQUIRED)}"),
    (jwt.InvalidSignatureError, "has a signature that is not its issuer's"),
)
"""What is said about a token, by the class of the error; the token itself is never shown."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What is expected of a token, and where its rights are."""

    issuer: str
    audience: str
    skew_seconds: float = 30.0
    scopes: Sequence[str] = ("scope", "scp")
    """Claims with the scopes; the first that is there counts."""
    campaigns: str = "flowcept_campaigns"


class JwtVerifier:
    """Checks tokens of one issuer.

    Args:
        keys: The issuer's keys.
        claims: What is expected.
    """

    def __init__(self, keys: KeyRing, claims: Claims) -> None:
        self._keys = keys
        self._claims = claims

    def verify(self, token: str) -> Principal:
        """See ``TokenVerifier``."""
        claims = self._checked(token)
        try:
            return Principal(_name(claims["sub"]), self._scopes(claims), self._campaigns(claims))
        except FlowceptError as error:
            raise UnauthenticatedError(f"the token cannot be used: {error.message}") from None

    def _checked(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError):
            raise UnauthenticatedError("the token is not a JSON Web Token") from None
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise UnauthenticatedError(
                f"the token is signed with {shorten(algorithm)}; accepted: {', '.join(sorted(ALGORITHMS))}"
            )
        key_id = header.get("kid")
        key = self._keys.find(key_id if isinstance(key_id, str) else None)
        if key is None:
            raise UnauthenticatedError(f"the token names the key {shorten(key_id)}, which its issuer does not have")
        expected = self._claims
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=list(key.algorithms),
                audience=expected.audience,
                issuer=expected.issuer,
                leeway=expected.skew_seconds,
                options={"require": list(_REQUIRED)},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            problem = next((text for cls, text in _PROBLEMS if isinstance(error, cls)), "is not valid")
            raise UnauthenticatedError(f"the token {problem}") from None

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[Scope]:
        """The scopes that mean something here; tokens have others too."""
        value = next((claims[name] for name in self._claims.scopes if name in claims), "")
        words = value.split() if isinstance(value, str) else _texts("the claim with the scopes", value)
        known = {word.removeprefix(_PREFIX) for word in words} & set(Scope)
        return frozenset(Scope(word) for word in known)

    def _campaigns(self, claims: Mapping[str, Any]) -> frozenset[str] | None:
        name = self._claims.campaigns
        if name not in claims:
            return None
        value = claims[name]
        campaigns = [value] if isinstance(value, str) else _texts(f"the claim {name}", value)
        return frozenset(check_identifier(f"the claim {name}", campaign) for campaign in campaigns)


def _name(subject: str) -> str:
    if not subject.isprintable():
        raise UnauthenticatedError("its claim sub has characters that cannot be printed")
    return check_identifier("its claim sub", subject)


def _texts(what: str, value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise UnauthenticatedError(f"{what} is neither a text nor a list of texts")
