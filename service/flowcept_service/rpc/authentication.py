"""Finding out who calls, before anything else is done for the call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import grpc

from flowcept.errors import UnauthenticatedError
from flowcept_service.rpc.handlers import PACKAGE_PREFIX, REFLECTION_PREFIX, SurroundingInterceptor
from flowcept_service.rpc.principal import set_principal
from flowcept_service.security.authentication import Authenticator, Credentials

_KEY = "authorization"
_SCHEME = "bearer "
_CERTIFICATE_NAMES = ("x509_subject_alternative_name", "x509_common_name")
"""Names of the client certificate, by precedence: the common name counts only where there is no alternative name."""


class Authentication(SurroundingInterceptor):
    """Sets the principal of each call, or refuses it. The health service stays open, for probes without credentials.

    Args:
        authenticator: Decides.
    """

    # What the service offers is for those who may use it.
    prefixes = (PACKAGE_PREFIX, REFLECTION_PREFIX)

    def __init__(self, authenticator: Authenticator) -> None:
        super().__init__()
        self._authenticator = authenticator

    @contextmanager
    def surround(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        """See SurroundingInterceptor."""
        set_principal(self._authenticator.authenticate(_credentials(context)))
        yield


def _credentials(context: grpc.ServicerContext) -> Credentials:
    values = [value for key, value in context.invocation_metadata() if key == _KEY]
    if len(values) > 1:
        raise UnauthenticatedError("the call has several `authorization` entries in its metadata; send one")
    return Credentials(_token(values[0]) if values else None, _certificate(context))


def _token(value: str | bytes) -> str:
    """The token in a header; the value is never shown, since a token in the wrong form is a secret too."""
    if isinstance(value, str) and value[: len(_SCHEME)].lower() == _SCHEME:
        return value[len(_SCHEME) :].strip()
    raise UnauthenticatedError("`authorization` in the call's metadata is not of the form `Bearer TOKEN`")


def _certificate(context: grpc.ServicerContext) -> tuple[str, ...]:
    properties = cast(Mapping[str, Sequence[bytes]], context.auth_context())  # as it is, and not as the stubs have it
    for name in _CERTIFICATE_NAMES:
        found = properties.get(name)
        if found:
            return tuple(value.decode("utf-8", "replace") for value in found)
    return ()
