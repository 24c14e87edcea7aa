"""Putting something around the handlers of the service's methods, whatever their kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing
from typing import Any, ClassVar, TypeAlias, TypeVar

import grpc

PACKAGE_PREFIX = "/flowcept."
"""Methods of ours."""

REFLECTION_PREFIX = "/grpc.reflection."
"""Methods that describe the service. Those of the health service are always left as they are."""

HEALTH_CHECK = "/grpc.health.v1.Health/Check"

From = TypeVar("From")
To = TypeVar("To")

Behavior = Callable[[Any, grpc.ServicerContext], Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # quoted: generic only in the stubs


class HandlerInterceptor(grpc.ServerInterceptor, ABC):
    """Replaces each handler of the service's methods once, and keeps the result."""

    prefixes: ClassVar[tuple[str, ...]] = (PACKAGE_PREFIX,)
    """The methods whose handlers are replaced."""

    def __init__(self) -> None:
        self._replaced: dict[str, Handler] = {}

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Handler | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """See grpc.ServerInterceptor."""
        handler = continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(self.prefixes):
            return handler
        # Only names of existing methods come this far, so the table stays small.
        replaced = self._replaced.get(method)
        if replaced is None:
            replaced = self._replaced[method] = self.replace(method, handler)
        return replaced

    @abstractmethod
    def replace(self, method: str, handler: Handler) -> Handler:
        """The handler to use instead, for one method (``/package.Service/Method``)."""


class SurroundingInterceptor(HandlerInterceptor):
    """Enters a context around each call, the iteration over its requests and responses included."""

    @abstractmethod
    def surround(self, method: str, context: grpc.ServicerContext) -> AbstractContextManager[None]:
        """What to enter around a call."""

    def replace(self, method: str, handler: Handler) -> Handler:
        """See HandlerInterceptor."""
        inner = behavior_of(handler)

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            with self.surround(method, context):
                return inner(request, context)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with self.surround(method, context):
                yield from inner(request, context)

        return with_behavior(handler, stream if handler.response_streaming else answer)


def each(make: Callable[[From], To], messages: Generator[From, None, None]) -> Generator[To, None, None]:
    """What is made of each message; closing it closes ``messages`` too, and with them what they hold."""
    with closing(messages):
        # No loop: its variable would keep each message until the next one.
        yield from map(make, messages)


def behavior_of(handler: Handler) -> Behavior:
    """The function of a handler."""
    behavior: Behavior | None = getattr(handler, _attribute(handler))
    if behavior is None:
        raise TypeError(f"a {_attribute(handler)} handler without a function")
    return behavior


def with_behavior(handler: Handler, behavior: Behavior, *, coded: bool = False) -> Handler:
    """The same handler with another function.

    Args:
        handler: The handler.
        behavior: The function.
        coded: Whether the function takes and returns messages as bytes.
    """
    make = getattr(grpc, f"{_attribute(handler)}_rpc_method_handler")
    made: Handler = (
        make(behavior) if coded else make(behavior, handler.request_deserializer, handler.response_serializer)
    )
    return made


def _attribute(handler: Handler) -> str:
    request = "stream" if handler.request_streaming else "unary"
    response = "stream" if handler.response_streaming else "unary"
    return f"{request}_{response}"
