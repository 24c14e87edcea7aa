"""Finding out who calls, before anything else is done for the call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, cast

import grpc

from flowcept.errors import UnauthenticatedError, UnavailableError
from flowcept_service.domain.principals import Principal
from flowcept_service.rpc.handlers import (
    PACKAGE_PREFIX,
    REFLECTION_PREFIX,
    Handler,
    SurroundingInterceptor,
    behavior_of,
    with_behavior,
)
from flowcept_service.rpc.principal import set_principal
from flowcept_service.security.authentication import Authenticator, Credentials

_KEY = "authorization"
_SCHEME = "bearer "
_CERTIFICATE_NAMES = ("x509_subject_alternative_name", "x509_common_name")
"""Names of the client certificate, by precedence: the common name counts only where there is no alternative name."""


RECHECK_SECONDS: Final = 30.0
"""How long a stream without an end goes on with credentials that have expired, or were withdrawn."""


class Authentication(SurroundingInterceptor):
    """Sets the principal of each call, or refuses it. The health service stays open, for probes without credentials.

    Args:
        authenticator: Decides.
        endless: Methods whose streams have no end: their credentials are checked again while they last. Others, even
            long ones, may finish what they were allowed to begin.
        clock: Monotonic seconds.
    """

    # What the service offers is for those who may use it.
    prefixes = (PACKAGE_PREFIX, REFLECTION_PREFIX)

    def __init__(self, authenticator: Authenticator, endless: Collection[str], clock: Callable[[], float]) -> None:
        super().__init__()
        self._authenticator = authenticator
        self._endless = endless
        self._clock = clock

    @contextmanager
    def surround(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        """See SurroundingInterceptor."""
        set_principal(self._principal(context))
        yield

    def replace(self, method: str, handler: Handler) -> Handler:
        """See HandlerInterceptor."""
        surrounded = super().replace(method, handler)
        if method not in self._endless:
            return surrounded
        begin = behavior_of(surrounded)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            principal, checked = self._principal(context), self._clock()
            with closing(begin(request, context)) as responses:
                for response in responses:
                    if self._clock() - checked > RECHECK_SECONDS:
                        self._check_unchanged(principal, context)
                        checked = self._clock()
                    yield response

        return with_behavior(surrounded, stream)

    def _principal(self, context: grpc.ServicerContext) -> Principal:
        return self._authenticator.authenticate(_credentials(context))

    def _check_unchanged(self, principal: Principal, context: grpc.ServicerContext) -> None:
        if self._principal(context) != principal:
            raise UnavailableError(
                "the rights of the credentials have changed; call again, to have them as they are now"
            )


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
