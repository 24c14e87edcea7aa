"""What every call of the service goes through; the composition root lists them in their order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import wraps
from typing import Any, ClassVar

import grpc
import structlog
from google.protobuf.message import DecodeError

from flowcept.errors import CancelledError, FlowceptError, InternalError, InvalidArgumentError, Reason
from flowcept.status import DETAILS_KEY, Code, code_of, encode_status, message_of
from flowcept_service.domain.principals import Principal
from flowcept_service.rpc.handlers import (
    HEALTH_CHECK,
    PACKAGE_PREFIX,
    REFLECTION_PREFIX,
    Handler,
    HandlerInterceptor,
    SurroundingInterceptor,
    behavior_of,
    each,
    with_behavior,
)
from flowcept_service.rpc.principal import set_principal

REQUEST_ID_KEY = "x-request-id"
"""Metadata by which a client names its call in the server's log, and learns the name of a failed one."""

TRACE_KEY = "traceparent"
"""Metadata by which a client says which trace its call belongs to (W3C Trace Context)."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_STATUS_CODES: Mapping[int, grpc.StatusCode] = {status.value[0]: status for status in grpc.StatusCode}
_NOTEWORTHY = frozenset({Code.INTERNAL, Code.DATA_LOSS, Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED})

_log = structlog.get_logger(__name__)


class ThreadPools(HandlerInterceptor):
    """Runs methods that hold their thread for long in pools of their own, so that the others always find a thread.

    Args:
        pools: By method; the others run in the server's pool.
    """

    prefixes: ClassVar[tuple[str, ...]] = ("/",)

    def __init__(self, pools: Mapping[str, ThreadPoolExecutor]) -> None:
        super().__init__()
        self._pools = pools

    def replace(self, method: str, handler: Handler) -> Handler:
        """See HandlerInterceptor."""
        pool = self._pools.get(method)
        if pool is None:
            return handler
        inner = behavior_of(handler)

        @wraps(inner)  # keeps gRPC's mark on a method that does not block
        def behavior(*arguments: Any) -> Any:
            return inner(*arguments)

        # The name that gRPC looks for; without it, the method would run in the server's pool.
        behavior.experimental_thread_pool = pool  # type: ignore[attr-defined]
        return with_behavior(handler, behavior)


class RequestLog(SurroundingInterceptor):
    """Gives each call an id, and writes a line about it when it ends.

    Args:
        clock: Monotonic seconds.
        new_id: Makes ids for calls whose client gives none.
        caller: Who calls, as long as authentication does not say it.
        every_call: Whether calls that went well have a line at the level info, and not only at debug.
    """

    prefixes = (PACKAGE_PREFIX, REFLECTION_PREFIX)

    def __init__(
        self, clock: Callable[[], float], new_id: Callable[[], str], caller: Principal, *, every_call: bool
    ) -> None:
        super().__init__()
        self._clock = clock
        self._new_id = new_id
        self._caller = caller
        self._usual = "info" if every_call else "debug"

    @contextmanager
    def surround(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        """See SurroundingInterceptor."""
        started = self._clock()
        # Not reset at the end: the next call of this thread sets its own.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(method=method, **self._names(context))
        set_principal(self._caller)
        try:
            yield
        finally:
            code = context.code()  # type: ignore[attr-defined]  # the stubs lack it
            name = "OK" if code is None else code.name
            level = getattr(_log, "warning" if code is not None and code.value[0] in _NOTEWORTHY else self._usual)
            level("call", code=name, seconds=round(self._clock() - started, 6), peer=context.peer())

    def _names(self, context: grpc.ServicerContext) -> dict[str, str]:
        """The request id, and the trace that the client says the call belongs to."""
        names: dict[str, str] = {}
        for key, value in context.invocation_metadata():
            if key == REQUEST_ID_KEY and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
                names["request_id"] = value
            elif key == TRACE_KEY and isinstance(value, str) and (trace := _TRACEPARENT.match(value)):
                names["trace_id"] = trace[1]
        if "request_id" not in names:
            names["request_id"] = self._new_id()
        return names


class ErrorMapping(SurroundingInterceptor):
    """Turns what is raised, in the call or while it streams, into a status with details.

    Args:
        refused: Told of each call that ends so, with its method and the reason.
    """

    def __init__(self, refused: Callable[[str, Reason], None]) -> None:
        super().__init__()
        self._refused = refused

    # Of the health service, only the method that is an ordinary one: gRPC has the other send by a callback.
    prefixes = (PACKAGE_PREFIX, REFLECTION_PREFIX, HEALTH_CHECK)

    @contextmanager
    def surround(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        """See SurroundingInterceptor."""
        try:
            yield
        except FlowceptError as error:
            self._abort(method, context, error)
        except grpc.RpcError:
            # What gRPC raises from the iteration over requests when the client is gone.
            self._abort(method, context, CancelledError("the client ended the call before its answer"))
        except Exception:  # noqa: BLE001 - whatever else it is, it is a defect, and the client must not see its text
            request_id = structlog.contextvars.get_contextvars().get("request_id", "")
            _log.exception("a call failed for a reason that is not foreseen")
            self._abort(
                method,
                context,
                InternalError(
                    f"the service failed; its log has the details under request id {request_id}", request_id=request_id
                ),
            )

    def _abort(self, method: str, context: grpc.ServicerContext, error: FlowceptError) -> None:
        self._refused(method, error.reason)
        request_id = structlog.contextvars.get_contextvars().get("request_id", "")
        context.set_trailing_metadata(((DETAILS_KEY, encode_status(error)), (REQUEST_ID_KEY, request_id)))
        _log.debug("refused", reason=error.reason, error=error.message)
        context.abort(_STATUS_CODES[code_of(error)], message_of(error))


class Coding(HandlerInterceptor):
    """Decodes requests and encodes responses inside the call, where errors are mapped.

    gRPC would do it outside: a request that is no message of its type would be answered with INTERNAL.
    """

    def replace(self, method: str, handler: Handler) -> Handler:
        """See HandlerInterceptor."""
        inner = behavior_of(handler)
        decode = _decoder(method, handler.request_deserializer)
        encode: Callable[[Any], bytes] = handler.response_serializer or bytes

        def answer(request: Any, context: grpc.ServicerContext) -> bytes:
            return encode(inner(map(decode, request) if handler.request_streaming else decode(request), context))

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            return each(encode, inner(map(decode, request) if handler.request_streaming else decode(request), context))

        return with_behavior(handler, stream if handler.response_streaming else answer, coded=True)


def _decoder(method: str, deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    if deserialize is None:
        return bytes

    def decode(message: bytes) -> Any:
        try:
            return deserialize(message)
        except DecodeError:
            raise InvalidArgumentError(
                f"a message of {len(message)} bytes is no request of {method}; encode it with the contract in protos/",
                field="request",
                value=f"{len(message)} bytes",
            ) from None

    return decode
