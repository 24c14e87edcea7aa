"""JSON Web Tokens: what is accepted, what it allows, and every way to forge one that we could think of."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from flowcept.errors import UnauthenticatedError, UnavailableError
from flowcept_service.domain.principals import Principal, Scope
from flowcept_service.security.issuer import FetchError, Issuer
from flowcept_service.security.keys import KeyRing
from flowcept_service.security.oidc import Claims, JwtVerifier
from tests.support.issuer import AUDIENCE, DISCOVERY_PATH, JWKS_PATH, Provider, SigningKey, provider


@pytest.fixture(scope="module")
def issuer() -> Iterator[Provider]:
    with provider() as issuer:
        issuer.keys = [SigningKey(name, name) for name in ("ES256", "ES384", "EdDSA", "RS256", "PS512")]
        yield issuer


@pytest.fixture(scope="module")
def verifier(issuer: Provider) -> JwtVerifier:
    return verifier_of(issuer)


def verifier_of(issuer: Provider, **claims: Any) -> JwtVerifier:
    keys = KeyRing(Issuer(issuer.url, None, None).fetch_keys, time.monotonic)
    return JwtVerifier(keys, Claims(issuer.url, AUDIENCE, skew_seconds=30.0, **claims))


def refusal(verifier: JwtVerifier, token: str) -> str:
    with pytest.raises(UnauthenticatedError) as raised:
        verifier.verify(token)
    assert token not in raised.value.message or not token
    return raised.value.message


@pytest.mark.parametrize("number", range(5))
def test_tokens_of_every_kind_of_key_are_accepted(issuer: Provider, verifier: JwtVerifier, number: int) -> None:
    principal = verifier.verify(issuer.token(issuer.keys[number]))
    assert (principal.name, principal.campaigns) == ("alice", None)
    assert principal.scopes == {Scope.READ, Scope.WRITE}


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "read"}, {"read"}),
        ({"scope": "flowcept:read flowcept:publish email"}, {"read", "publish"}),
        ({"scope": ["read", "flowcept:admin"]}, {"read", "admin"}),
        ({"scope": None, "scp": ["write"]}, {"write"}),
        ({"scope": None, "scp": "write read"}, {"write", "read"}),
        ({"scope": "read", "scp": ["admin"]}, {"read"}),
        ({"scope": "READ other:admin flowcept:flowcept:admin flowcept: reader"}, set()),
        ({"scope": None}, set()),
    ],
)
def test_scopes_are_read_from_the_token(
    issuer: Provider, verifier: JwtVerifier, claims: dict[str, Any], scopes: set[str]
) -> None:
    assert verifier.verify(issuer.token(**claims)).scopes == scopes


def test_the_claims_for_scopes_and_campaigns_can_be_chosen(issuer: Provider) -> None:
    verifier = verifier_of(issuer, scopes=("https://x.org/roles",), campaigns="projects")
    claims: dict[str, Any] = {"https://x.org/roles": ["admin"], "projects": "a"}
    principal = verifier.verify(issuer.token(**claims))
    assert principal == Principal("alice", frozenset({Scope.ADMIN}), frozenset({"a"}))


@pytest.mark.parametrize(
    ("value", "campaigns"), [(["a", "b c"], {"a", "b c"}), ("a b", {"a b"}), ([], set()), (None, None)]
)
def test_campaigns_are_read_from_the_token(
    issuer: Provider, verifier: JwtVerifier, value: Any, campaigns: set[str] | None
) -> None:
    assert verifier.verify(issuer.token(flowcept_campaigns=value)).campaigns == campaigns


@pytest.mark.parametrize(
    "claims",
    [
        {"flowcept_campaigns": 1},
        {"flowcept_campaigns": [1]},
        {"flowcept_campaigns": {"a": "b"}},
        {"flowcept_campaigns": [""]},
        {"flowcept_campaigns": ""},
        {"scope": 7},
        {"scope": {"read": True}},
        {"sub": ""},
        {"sub": "a\nb"},
        {"sub": "x" * 256},
    ],
)
def test_a_claim_that_cannot_be_understood_refuses_the_token(
    issuer: Provider, verifier: JwtVerifier, claims: dict[str, Any]
) -> None:
    assert "cannot be used" in refusal(verifier, issuer.token(**claims))


NOW = int(time.time())


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"exp": NOW - 60}, "has expired"),
        ({"exp": None}, "lacks one of the claims"),
        ({"nbf": NOW + 3600}, "is not valid yet"),
        ({"iat": NOW + 3600}, "is not valid yet"),
        ({"aud": "another"}, "another audience"),
        ({"aud": ["another", "third"]}, "another audience"),
        ({"aud": None}, "lacks one of the claims"),
        ({"iss": "https://login.example.org"}, "another issuer"),
        ({"iss": None}, "lacks one of the claims"),
        ({"sub": None}, "lacks one of the claims"),
        ({"exp": "never"}, "is not valid"),
        ({"exp": float("inf")}, "is not valid"),
        ({"nbf": "now"}, "is not valid"),
        ({"sub": 5}, "is not valid"),
    ],
)
def test_a_token_for_another_time_or_place_is_refused(
    issuer: Provider, verifier: JwtVerifier, claims: dict[str, Any], problem: str
) -> None:
    assert problem in refusal(verifier, issuer.token(**claims))


def test_clocks_may_differ_a_little(issuer: Provider, verifier: JwtVerifier) -> None:
    now = int(time.time())
    verifier.verify(issuer.token(exp=now - 10, iat=now + 10, nbf=now + 10))


def test_one_of_several_audiences_is_enough(issuer: Provider, verifier: JwtVerifier) -> None:
    verifier.verify(issuer.token(aud=["another", AUDIENCE]))


# Forgeries


def encoded(part: Any) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def claims_of(token: str) -> str:
    return token.split(".")[1]


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 5])
def test_an_unsigned_token_is_refused(issuer: Provider, verifier: JwtVerifier, algorithm: Any) -> None:
    header = encoded({"alg": algorithm, "kid": "ES256", "typ": "JWT"})
    assert refusal(verifier, f"{header}.{claims_of(issuer.token())}.")


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(issuer: Provider, verifier: JwtVerifier) -> None:
    public = issuer.keys[3].private.public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(issuer.keys[3].published()).encode(),
    ):
        signed = f"{encoded({'alg': 'HS256', 'kid': 'RS256'})}.{claims_of(issuer.token())}"
        signature = encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))
        assert "is signed with 'HS256'" in refusal(verifier, f"{signed}.{signature}")


def test_a_token_of_another_key_under_a_known_name_is_refused(issuer: Provider, verifier: JwtVerifier) -> None:
    assert "not its issuer's" in refusal(verifier, issuer.token(SigningKey("ES256", "ES256")))


def test_claims_that_were_changed_are_refused(issuer: Provider, verifier: JwtVerifier) -> None:
    header, _, signature = issuer.token().split(".")
    claims = claims_of(issuer.token(SigningKey("other"), scope="admin"))
    assert "not its issuer's" in refusal(verifier, f"{header}.{claims}.{signature}")


def test_a_key_is_used_only_for_its_own_algorithm(issuer: Provider, verifier: JwtVerifier) -> None:
    key = SigningKey("ES256", "RS256")
    assert "is not valid" in refusal(verifier, issuer.token(key))


def test_a_key_that_a_token_brings_along_is_not_used(issuer: Provider, verifier: JwtVerifier) -> None:
    key = SigningKey("own")
    headers = {"jwk": key.published(), "jku": issuer.url, "x5u": issuer.url}
    before = len(issuer.requests)
    assert "does not have" in refusal(verifier, issuer.token(key, headers=headers))
    assert all(path in (DISCOVERY_PATH, JWKS_PATH) for path in issuer.requests[before:])


def test_an_extension_that_must_be_understood_and_is_not_refuses_the_token(
    issuer: Provider, verifier: JwtVerifier
) -> None:
    assert refusal(verifier, issuer.token(headers={"crit": ["x"], "x": 1}))


@given(st.one_of(st.text(), st.binary().map(lambda data: f"{encoded(data)}.{encoded(data)}.{encoded(data)}")))
def test_whatever_is_sent_is_refused_and_nothing_else_happens(verifier: JwtVerifier, token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier.verify(token)


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.lists(st.text()), st.just("ES256")),
    )
)
def test_whatever_header_is_sent_is_refused(issuer: Provider, verifier: JwtVerifier, header: dict[str, Any]) -> None:
    _, claims, signature = issuer.token().split(".")
    with pytest.raises(UnauthenticatedError):
        verifier.verify(f"{encoded(header)}.{claims}.{signature[:-4]}AAAA")


# The provider


@pytest.fixture
def own() -> Iterator[Provider]:
    with provider() as issuer:
        yield issuer


def test_new_keys_of_the_provider_are_found(own: Provider) -> None:
    verifier = verifier_of(own)
    own.keys = [SigningKey("next")]
    assert verifier.verify(own.token()).name == "alice"
    assert own.requests == [DISCOVERY_PATH, JWKS_PATH]


def test_keys_at_a_known_address_need_no_discovery(own: Provider) -> None:
    Issuer(own.url, own.url.replace("/realm", JWKS_PATH), None).fetch_keys()
    assert own.requests == [JWKS_PATH]


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b"{}", b'{"keys": 1}', b"[" * 100_000, b" " * (2 << 20)])
def test_an_answer_without_keys_is_none(own: Provider, body: bytes) -> None:
    own.body = body
    with pytest.raises(FetchError):
        Issuer(own.url, None, None).fetch_keys()


def test_another_issuer_s_discovery_document_is_not_believed(own: Provider) -> None:
    with pytest.raises(FetchError, match="of the issuer"):
        Issuer(own.url + "/", None, None).fetch_keys()


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_provider_that_fails_or_redirects_has_no_keys(own: Provider, status: int) -> None:
    own.status = status
    with pytest.raises(FetchError, match=str(status)):
        Issuer(own.url, None, None).fetch_keys()


def test_a_provider_that_is_away_makes_calls_unavailable_and_not_unauthenticated(own: Provider) -> None:
    own.status = 503
    with pytest.raises(UnavailableError):
        verifier_of(own).verify(own.token())
