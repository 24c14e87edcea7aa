"""The keys that sign JSON Web Tokens: kept, and fetched again in the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import BoundedSemaphore, Condition, Thread
from typing import Any, Final

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from flowcept.errors import UnavailableError
from flowcept_service.security.issuer import FetchError

KEPT_SECONDS: Final = 300.0
"""Keys that are older are fetched again when one is used, so that a withdrawn one does not stay for long."""
PAUSE_SECONDS: Final = 10.0
"""Between two fetches, however many unknown keys tokens name."""
WAIT_SECONDS: Final = 2.0
"""What a call waits for keys that are being fetched."""
MOST_WAITING: Final = 4
"""Calls that wait so at the same time: forged tokens must not occupy the threads of others."""
_LEAST_RSA_BITS: Final = 2048

# Asymmetric ones only: with a secret that both sides have, whoever can check a token could make one.
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_BY_CURVE = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA",),
    "Ed448": ("EdDSA",),
}
ALGORITHMS: Final = frozenset(_RSA).union(*_BY_CURVE.values())
"""What a token may be signed with."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, and what it may be used for."""

    key: Any
    algorithms: Sequence[str]


class KeyRing:
    """The keys of one issuer.

    An issuer that does not answer changes nothing: the keys that are known stay in use.

    Args:
        fetch: Fetches the keys as they are published. Raises FetchError.
        clock: Monotonic seconds.
    """

    def __init__(self, fetch: Callable[[], Sequence[Any]], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._changed = Condition()
        self._waiting = BoundedSemaphore(MOST_WAITING)
        self._keys: Mapping[str | None, SigningKey] | None = None
        self._begun = float("-inf")
        self._fetched = float("-inf")
        self._fetching = False

    def find(self, key_id: str | None) -> SigningKey | None:
        """A key by its identifier; without one, the only key there is. None: the issuer has no such key.

        Raises:
            UnavailableError: It cannot be told now.
        """
        if self._clock() - self._fetched > KEPT_SECONDS:
            self.refresh()
        keys = self._keys
        if keys is not None and key_id in keys:
            return keys[key_id]
        if self.refresh() or self._fetching:
            self._wait()
        keys = self._keys
        if keys is None:
            raise UnavailableError("the keys of the token's issuer could not be fetched yet; try again in a moment")
        return keys.get(key_id)

    def refresh(self) -> bool:
        """Begin to fetch the keys, unless that was done a moment ago; whether it was begun."""
        with self._changed:
            now = self._clock()
            if self._fetching or now - self._begun < PAUSE_SECONDS:
                return False
            self._fetching = True
            self._begun = now
        Thread(target=self._run, name="signing-keys", daemon=True).start()
        return True

    def _wait(self) -> None:
        if not self._waiting.acquire(blocking=False):
            raise UnavailableError("the keys of the token's issuer are being fetched; try again in a moment")
        try:
            with self._changed:
                self._changed.wait_for(lambda: not self._fetching, WAIT_SECONDS)
        finally:
            self._waiting.release()

    def _run(self) -> None:
        keys = None
        try:
            keys = usable_keys(self._fetch())
        except FetchError as error:
            known = self._keys is not None
            _log.warning("the keys of the issuer cannot be fetched", error=str(error), known_keys_stay=known)
        finally:
            with self._changed:
                if keys is not None:
                    self._keys = keys
                    self._fetched = self._clock()
                self._fetching = False
                self._changed.notify_all()


def usable_keys(published: Sequence[Any]) -> dict[str | None, SigningKey]:
    """The keys that may sign tokens, by identifier; a single one also without.

    Raises:
        FetchError: There is none.
    """
    keys: dict[str | None, SigningKey] = {}
    for number, fields in enumerate(published):
        key = _usable(fields)
        if key is not None:
            key_id = fields.get("kid")
            keys[key_id if isinstance(key_id, str) else f"{number} without kid"] = key
    if not keys:
        raise FetchError("none of the keys can check a signature")
    if len(keys) == 1:
        keys[None] = next(iter(keys.values()))
    return keys


def _usable(fields: Any) -> SigningKey | None:
    """A published key, if it checks signatures in a way that is accepted; others are none of our business."""
    if not isinstance(fields, dict) or fields.get("use", "sig") != "sig":
        return None
    family = _RSA if fields.get("kty") == "RSA" else _BY_CURVE.get(str(fields.get("crv")), ())
    algorithms = [name for name in family if fields.get("alg") in (None, name)]
    if not algorithms:
        return None
    try:
        key = jwt.PyJWK(fields, algorithm=algorithms[0]).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        return None
    # What is published should be public; if it is not, the public half is all that is taken.
    return SigningKey(key.public_key() if "d" in fields else key, algorithms)
