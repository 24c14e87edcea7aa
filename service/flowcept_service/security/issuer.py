"""Fetching what an OpenID provider publishes: its discovery document, and its keys."""

from __future__ import annotations

import json
import ssl
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from flowcept.errors import InvalidArgumentError, shorten
from flowcept_service.security.urls import is_protected

TIMEOUT_SECONDS: Final = 5.0
"""For each of connecting and answering: the provider, or whoever stands in its place, cannot hold a thread for long."""
MOST_BYTES: Final = 1 << 20


class FetchError(Exception):
    """The provider did not answer, or not with what it should; the text says so to whoever reads the log."""


class _NoRedirects(HTTPRedirectHandler):
    """Redirects are refused: they could lead to where nothing protects the answer."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Issuer:
    """An OpenID provider.

    Args:
        url: The issuer, as tokens name it.
        jwks_url: Where its keys are; None: where its discovery document says.
        ca_file: Authorities for its certificate; None: those of the system.

    Raises:
        InvalidArgumentError: The file cannot be used.
    """

    def __init__(self, url: str, jwks_url: str | None, ca_file: Path | None) -> None:
        self._url = url
        self._jwks_url = jwks_url
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise InvalidArgumentError(
                f"auth_oidc_ca_file (FLOWCEPT_SERVICE_AUTH_OIDC_CA_FILE) is {ca_file}, which holds no certificates in "
                f"PEM ({error})",
                field="auth_oidc_ca_file",
            ) from None
        self._opener = build_opener(HTTPSHandler(context=context), _NoRedirects())

    def fetch_keys(self) -> list[Any]:
        """The JSON Web Keys of the provider, as they are. Raises FetchError."""
        document = self._get(self._jwks_url or self._discovered())
        keys = document.get("keys")
        if not isinstance(keys, list):
            raise FetchError("the answer has no list of keys")
        return keys

    def _discovered(self) -> str:
        document = self._get(f"{self._url.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self._url:
            raise FetchError(f"the discovery document is of the issuer {shorten(document.get('issuer'))}")
        url = document.get("jwks_uri")
        if not isinstance(url, str) or not is_protected(url):
            raise FetchError(f"the discovery document has the jwks_uri {shorten(url)}, which is no https URL")
        return url

    def _get(self, url: str) -> dict[str, Any]:
        request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - https, or this machine
        deadline = time.monotonic() + 2 * TIMEOUT_SECONDS
        content = b""
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                # In pieces, because the timeout is for each of them: an answer that trickles must end too.
                while piece := response.read1(1 << 16):
                    content += piece
                    if len(content) > MOST_BYTES or time.monotonic() > deadline:
                        raise FetchError(f"{url} answers with more, or for longer, than keys could need")
            document = json.loads(content)
        except HTTPError as error:
            raise FetchError(f"{url} answers with status {error.code}") from None
        except (OSError, HTTPException) as error:
            raise FetchError(f"{url} does not answer: {error}") from None
        except (ValueError, RecursionError):
            raise FetchError(f"{url} answers with something that is not JSON") from None
        if not isinstance(document, dict):
            raise FetchError(f"{url} answers with something that is no JSON object")
        return document
