"""The keys of an issuer: fetched seldom, kept through an outage, and only those that are safe."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from structlog.testing import CapturingLogger

from flowcept.errors import UnavailableError
from flowcept_service.security import keys
from flowcept_service.security.issuer import FetchError
from flowcept_service.security.keys import KEPT_SECONDS, MOST_WAITING, PAUSE_SECONDS, KeyRing, usable_keys
from tests.support.conditions import eventually
from tests.support.issuer import SigningKey


class Published:
    """An issuer whose answers a test decides, and a clock."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] | FetchError = [SigningKey("first").published()]
        self.fetches = 0
        self.now = 1000.0
        self.answers = Event()
        self.answers.set()
        self.ring = KeyRing(self.fetch, lambda: self.now)

    def fetch(self) -> Sequence[Any]:
        self.fetches += 1
        self.answers.wait()
        if isinstance(self.keys, FetchError):
            raise self.keys
        return self.keys

    def knows(self, key_id: str) -> bool:
        return self.ring.find(key_id) is not None


@pytest.fixture
def issuer() -> Published:
    return Published()


def test_keys_are_fetched_once_for_many_calls(issuer: Published) -> None:
    assert all(issuer.knows("first") for _ in range(10))
    assert issuer.fetches == 1


def test_an_unknown_key_is_looked_for_at_once_and_then_not_for_a_while(issuer: Published) -> None:
    assert issuer.knows("first")
    issuer.now += PAUSE_SECONDS
    issuer.keys = [SigningKey("second").published()]
    assert issuer.knows("second")
    assert not any(issuer.knows(f"forged-{n}") for n in range(10))
    assert issuer.fetches == 2
    issuer.now += PAUSE_SECONDS
    assert not issuer.knows("forged")
    assert issuer.fetches == 3


def test_a_withdrawn_key_is_forgotten_after_a_while(issuer: Published) -> None:
    assert issuer.knows("first")
    issuer.keys = [SigningKey("second").published()]
    issuer.now += KEPT_SECONDS + 1
    issuer.knows("first")
    eventually(lambda: issuer.knows("second"))
    assert not issuer.knows("first")


@pytest.mark.parametrize("answer", [FetchError("away"), []])
def test_an_outage_leaves_known_keys_in_use(issuer: Published, answer: Any, log: CapturingLogger) -> None:
    assert issuer.knows("first")
    issuer.keys = answer
    issuer.now += KEPT_SECONDS + 1
    assert issuer.knows("first")
    eventually(lambda: bool(log.calls))
    assert issuer.knows("first")
    assert (log.calls[0].method_name, log.calls[0].kwargs["known_keys_stay"]) == ("warning", True)


def test_while_no_key_was_ever_fetched_a_call_may_be_repeated(issuer: Published) -> None:
    issuer.keys = FetchError("away")
    for _ in range(3):
        with pytest.raises(UnavailableError):
            issuer.ring.find("first")
    assert issuer.fetches == 1
    issuer.keys = [SigningKey("first").published()]
    issuer.now += PAUSE_SECONDS
    assert issuer.knows("first")


def test_while_keys_are_fetched_known_ones_are_used_and_few_calls_wait(
    issuer: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "WAIT_SECONDS", 3600.0)  # who waits does so for longer than this test may last
    assert issuer.knows("first")
    issuer.now += PAUSE_SECONDS
    issuer.answers.clear()
    with ThreadPoolExecutor(MOST_WAITING + 1) as threads:
        waiting = [threads.submit(issuer.ring.find, f"forged-{n}") for n in range(MOST_WAITING + 1)]
        eventually(lambda: any(call.done() for call in waiting))
        assert issuer.knows("first")
        issuer.answers.set()
    outcomes = [call.exception() for call in waiting]
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [UnavailableError]


def test_a_single_key_needs_no_identifier() -> None:
    assert None in usable_keys([SigningKey("only").published()])
    assert None in usable_keys([SigningKey("only").published(kid=None)])
    assert None not in usable_keys([SigningKey("a").published(), SigningKey("b").published()])


def secret(length: int = 32) -> dict[str, Any]:
    return {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(b"k" * length).decode(), "alg": "HS256"}


def small_rsa() -> dict[str, Any]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "small"}


@pytest.mark.parametrize(
    "fields",
    [
        secret(),
        small_rsa(),
        SigningKey("encrypts").published(use="enc"),
        SigningKey("confused").published(alg="HS256"),
        SigningKey("confused").published(alg="RS256"),
        SigningKey("broken").published(x="!"),
        SigningKey("broken").published(crv="P-999", alg=None),
        {"kty": "RSA", "kid": "empty"},
        {},
        "key",
        None,
    ],
    # Not by their content, which is another one in each process.
    ids=["secret", "small", "encrypts", "HS256", "RS256", "no point", "no curve", "no RSA", "empty", "text", "null"],
)
def test_what_cannot_check_signatures_safely_is_left_out(fields: Any) -> None:
    assert set(usable_keys([fields, SigningKey("a").published(), SigningKey("b").published()])) == {"a", "b"}
    with pytest.raises(FetchError):
        usable_keys([fields])


def test_a_private_key_that_was_published_serves_as_a_public_one() -> None:
    key = SigningKey("leaked")
    maker: Any = jwt.get_algorithm_by_name("ES256")
    fields = {**maker.to_jwk(key.private, as_dict=True), "kid": "leaked"}
    (usable, _) = usable_keys([fields]).values()
    assert not hasattr(usable.key, "private_bytes")
