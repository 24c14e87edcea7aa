"""An OpenID provider on this machine: it publishes keys over HTTP, and signs tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

AUDIENCE = "flowcept-tests"
JWKS_PATH = "/keys"
DISCOVERY_PATH = "/realm/.well-known/openid-configuration"

_RSA_KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
"""Slow to make, so they are made once."""


class SigningKey:
    """A private key with its identifier and algorithm."""

    def __init__(self, key_id: str, algorithm: str = "ES256") -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self.private: Any = self._new(algorithm)

    def published(self, **changed: Any) -> dict[str, Any]:
        """The public half as a JSON Web Key; changes of None leave a field out."""
        maker: Any = jwt.get_algorithm_by_name(self.algorithm)
        fields = {
            **maker.to_jwk(self.private.public_key(), as_dict=True),
            "kid": self.key_id,
            "alg": self.algorithm,
            "use": "sig",
            **changed,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @staticmethod
    def _new(algorithm: str) -> Any:
        if algorithm.startswith("ES"):
            return ec.generate_private_key({"ES256": ec.SECP256R1, "ES384": ec.SECP384R1}[algorithm]())
        if algorithm == "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        return _RSA_KEYS[0]


class Provider:
    """What the HTTP server answers, to be changed by tests."""

    def __init__(self) -> None:
        self.keys = [SigningKey("first")]
        self.status = 200
        self.answers = Event()
        """Cleared: requests hang."""
        self.answers.set()
        self.requests: list[str] = []
        self.url = ""
        self.body: bytes | None = None
        """Instead of the keys."""

    def token(self, key: SigningKey | None = None, *, headers: dict[str, Any] | None = None, **changed: Any) -> str:
        """A token that is valid but for the changes; a claim of None is left out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": now,
            "exp": now + 300,
            "scope": "openid flowcept:read write",
            **changed,
        }
        key = key or self.keys[0]
        return jwt.encode(
            {name: value for name, value in claims.items() if value is not None},
            key.private,
            algorithm=key.algorithm,
            headers={"kid": key.key_id, **(headers or {})},
        )

    def answer(self, path: str) -> bytes:
        """The content of a page."""
        if path == DISCOVERY_PATH:
            return json.dumps({"issuer": self.url, "jwks_uri": self.url.replace("/realm", JWKS_PATH)}).encode()
        if self.body is not None:
            return self.body
        return json.dumps({"keys": [key.published() for key in self.keys]}).encode()


@contextmanager
def provider() -> Iterator[Provider]:
    """A provider that is served on a free port."""
    provided = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provided.requests.append(self.path)
            provided.answers.wait()
            content = provided.answer(self.path)
            self.send_response(provided.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provided.url = f"http://127.0.0.1:{server.server_address[1]}/realm"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provided
    finally:
        provided.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()
