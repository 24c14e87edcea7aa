"""Ending calls whose client keeps the service waiting: each of them holds a thread, and perhaps a slot."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import grpc
import structlog

from flowcept.errors import CancelledError
from flowcept_service.periodic import Periodic
from flowcept_service.rpc.handlers import Handler, HandlerInterceptor, behavior_of, with_behavior

_CHECKS: Final = 4
"""How often a wait is looked at before it is too long; so it may last a quarter longer than allowed."""
_MAX_CHECK_SECONDS: Final = 5.0
_QUIET_SECONDS: Final = 0.05
"""When no request at all has come in for so long, one that a client has sent with its call is not on its way. Not more:
of a flood of silent calls, ordinary ones wait for as many of these times as it fills all threads."""
_EXCESS_SECONDS: Final = 1.0
"""What silent calls get that are too many, while requests of others do come in."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Wait:
    quiet_since: float
    deadline: float
    method: str
    context: grpc.ServicerContext
    hastened: bool = False


class Waits:
    """Cancels calls that wait for their client longer than they may; one thread looks after all of them.

    Args:
        clock: Monotonic seconds.
        ended: Told the method of each call that is cancelled.
    """

    def __init__(self, clock: Callable[[], float], ended: Callable[[str], None]) -> None:
        self._clock = clock
        self._ended = ended
        self._waits: set[_Wait] = set()
        self._shortest = _MAX_CHECK_SECONDS * _CHECKS
        self._quiet_since = -math.inf
        self._next_check = math.inf
        self._checks = Periodic("waits", self.check, self.until_next)

    def allow(self, seconds: float) -> None:
        """Waits of so many seconds are going to be asked for."""
        self._shortest = min(self._shortest, seconds)

    def start(self) -> None:
        """Begin to look."""
        self._checks.start()

    def stop(self) -> None:
        """Look no more."""
        self._checks.stop()

    @contextmanager
    def within(self, seconds: float, method: str, context: grpc.ServicerContext) -> Iterator[_Wait]:
        """Around waiting for the client of a call: after so many seconds, the call is cancelled."""
        now = self._clock()
        wait = _Wait(now, now + seconds, method, context)
        # Sets change in one step; no lock is needed for this.
        self._waits.add(wait)
        try:
            yield wait
        finally:
            self._waits.discard(wait)

    def hasten(self, wait: _Wait) -> None:
        """Cancel a call before its time is up: as soon as its request would be there if its client had sent it.

        How soon that is depends on how busy the service is, and with it the machine: while requests of other calls come
        in, this one may be among those that nobody has got round to.
        """
        if not wait.hastened:
            wait.hastened = True
            wait.deadline = min(wait.deadline, self._clock() + _EXCESS_SECONDS)
            self._checks.wake()

    def request_came(self) -> None:
        """Some call was waited for no longer than it took its request to come."""
        self._quiet_since = self._clock()

    def check(self) -> None:
        """Cancel what has waited too long."""
        now = self._clock()
        # When this thread was kept from running, so were those that take requests in: that was no quiet time.
        late = max(0.0, now - self._next_check)
        self._quiet_since += late
        for wait in list(self._waits):
            wait.quiet_since += late
            if now > self._end_of(wait):
                self._end(wait)

    def until_next(self) -> float:
        """Seconds until the next check is due."""
        now = self._clock()
        nearest = min(map(self._end_of, list(self._waits)), default=math.inf) - now
        interval = min(max(nearest, _QUIET_SECONDS) / _CHECKS, self._shortest / _CHECKS)
        self._next_check = now + interval
        return interval

    def _end_of(self, wait: _Wait) -> float:
        if not wait.hastened:
            return wait.deadline
        return min(wait.deadline, max(wait.quiet_since, self._quiet_since) + _QUIET_SECONDS)

    def _end(self, wait: _Wait) -> None:
        self._waits.discard(wait)
        self._ended(wait.method)
        _log.warning("a call is ended because its client is idle", method=wait.method, peer=wait.context.peer())
        # Without a reason: the thread of the call, which could give one, waits inside gRPC, and nothing else wakes it.
        wait.context.cancel()


class DeferredRequests(HandlerInterceptor):
    """Has a call begin before its request message is there, which comes as a `PendingRequest`.

    gRPC would wait for the message in a thread of the method, for ever and before anybody knows who calls. Goes
    outside of all interceptors that look at calls, as `AwaitedRequests` goes inside.
    """

    prefixes: ClassVar[tuple[str, ...]] = ("/",)

    def replace(self, method: str, handler: Handler) -> Handler:
        """See HandlerInterceptor."""
        inner = behavior_of(handler)
        if handler.request_streaming or getattr(inner, "experimental_non_blocking", False):
            return handler

        def behavior(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            return inner(PendingRequest(requests), context)

        # On the wire, one message is a stream of one.
        make = f"stream_{'stream' if handler.response_streaming else 'unary'}_rpc_method_handler"
        made: Handler = getattr(grpc, make)(behavior, handler.request_deserializer, handler.response_serializer)
        return made


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """The request message of a call, which may not be there yet."""

    messages: Iterator[Any]

    def take(self) -> Any:
        """Wait for it. Raises CancelledError, when there is none."""
        for message in self.messages:
            return message
        raise CancelledError("the client ended the call without a request")


class AwaitedRequests(HandlerInterceptor):
    """Waits for the requests that `DeferredRequests` has deferred, and no longer than allowed.

    Args:
        waits: Ends the calls.
        seconds: The longest wait.
        at_once: Calls that may wait at the same time; of more, those that wait longest are ended soon, so that silent
            clients never have all threads for long.
    """

    prefixes: ClassVar[tuple[str, ...]] = ("/",)

    def __init__(self, waits: Waits, seconds: float, at_once: int) -> None:
        super().__init__()
        waits.allow(seconds)
        self._waits = waits
        self._seconds = seconds
        self._at_once = at_once
        # In the order in which they began; dictionaries keep it, and change in one step.
        self._waiting: dict[Any, None] = {}

    def replace(self, method: str, handler: Handler) -> Handler:
        """See HandlerInterceptor."""
        inner = behavior_of(handler)
        if handler.request_streaming or getattr(inner, "experimental_non_blocking", False):
            return handler

        def take(pending: PendingRequest, context: grpc.ServicerContext) -> Any:
            with self._waits.within(self._seconds, method, context) as wait:
                self._waiting[wait] = None
                for excess in list(self._waiting)[: -self._at_once]:
                    self._waits.hasten(excess)
                try:
                    request = pending.take()
                finally:
                    del self._waiting[wait]
            self._waits.request_came()
            return request

        def answer(pending: PendingRequest, context: grpc.ServicerContext) -> Any:
            return inner(take(pending, context), context)

        def stream(pending: PendingRequest, context: grpc.ServicerContext) -> Iterator[Any]:
            yield from inner(take(pending, context), context)

        return with_behavior(handler, stream if handler.response_streaming else answer)


class IdleStreams(HandlerInterceptor):
    """Ends streams whose client neither sends nor takes a message for long.

    Args:
        waits: Ends the calls.
        seconds: The longest wait for a message to be sent or taken; 0: any.
        methods: Those that are meant.
    """

    prefixes: ClassVar[tuple[str, ...]] = ("/",)

    def __init__(self, waits: Waits, seconds: float, methods: frozenset[str]) -> None:
        super().__init__()
        if seconds:
            waits.allow(seconds)
        self._waits = waits
        self._seconds = seconds
        self._methods = methods if seconds else frozenset()

    def replace(self, method: str, handler: Handler) -> Handler:
        """See HandlerInterceptor."""
        if method not in self._methods:
            return handler
        inner = behavior_of(handler)

        def sent(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            while True:
                with self._waits.within(self._seconds, method, context):
                    message = next(requests, None)
                if message is None:
                    return
                yield message

        def taken(responses: Generator[Any, None, None], context: grpc.ServicerContext) -> Iterator[Any]:
            with closing(responses):
                for response in responses:
                    with self._waits.within(self._seconds, method, context):
                        yield response
                    # It is taken; the next one must not find it still in memory.
                    del response

        def behavior(request: Any, context: grpc.ServicerContext) -> Any:
            answer = inner(sent(request, context) if handler.request_streaming else request, context)
            return taken(answer, context) if handler.response_streaming else answer

        return with_behavior(handler, behavior)
