"""Telling how many calls there are, how they end and how long they take. Knows nothing of who counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import grpc

from flowcept_service.rpc.handlers import Handler, HandlerInterceptor, behavior_of, each, with_behavior


class MethodMeter(Protocol):
    """Takes what happens in the calls of one method."""

    def started(self) -> None:
        """A call began."""
        ...

    def received(self) -> None:
        """A message came from the client."""
        ...

    def sent(self) -> None:
        """A message was made for the client."""
        ...

    def ended(self, code: grpc.StatusCode, seconds: float) -> None:
        """A call ended."""
        ...


class Metering(HandlerInterceptor):
    """Tells meters about each call, those that are refused included.

    Args:
        meter_of: Makes the meter of a method (``/package.Service/Method``) of a type (``unary``, ``client_stream``,
            ``server_stream``, ``bidi_stream``).
        clock: Monotonic seconds.
    """

    def __init__(self, meter_of: Callable[[str, str], MethodMeter], clock: Callable[[], float]) -> None:
        super().__init__()
        self._meter_of = meter_of
        self._clock = clock

    def replace(self, method: str, handler: Handler) -> Handler:
        """See HandlerInterceptor."""
        inner = behavior_of(handler)
        meter = self._meter_of(method, _type_of(handler))
        clock = self._clock
        received, sent = _telling(meter.received), _telling(meter.sent)

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            started = clock()
            meter.started()
            try:
                return sent(inner(map(received, request) if handler.request_streaming else received(request), context))
            finally:
                meter.ended(_code_of(context), clock() - started)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            started = clock()
            meter.started()
            try:
                messages = map(received, request) if handler.request_streaming else received(request)
                yield from each(sent, inner(messages, context))
            finally:
                meter.ended(_code_of(context), clock() - started)

        return with_behavior(handler, stream if handler.response_streaming else answer)


def _telling(tell: Callable[[], None]) -> Callable[[Any], Any]:
    def pass_on(message: Any) -> Any:
        tell()
        return message

    return pass_on


def _code_of(context: grpc.ServicerContext) -> grpc.StatusCode:
    code: grpc.StatusCode | None = context.code()  # type: ignore[attr-defined]  # the stubs lack it
    if code is not None:
        return code
    # Without a code the call went well, unless the client has left before its end.
    return grpc.StatusCode.OK if context.is_active() else grpc.StatusCode.CANCELLED


def _type_of(handler: Handler) -> str:
    if handler.request_streaming:
        return "bidi_stream" if handler.response_streaming else "client_stream"
    return "server_stream" if handler.response_streaming else "unary"
