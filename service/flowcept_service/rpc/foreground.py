"""Telling which calls are at work, so that scans make room for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import grpc

from flowcept_service.query import Foreground
from flowcept_service.rpc.handlers import Handler, HandlerInterceptor, behavior_of, with_behavior


class ForegroundCalls(HandlerInterceptor):
    """Tells when calls are at work: from their beginning to their end, but not while a stream waits for its client.

    Args:
        foreground: Told.
        others: Methods that are left alone.
    """

    def __init__(self, foreground: Foreground, others: frozenset[str]) -> None:
        super().__init__()
        self._foreground = foreground
        self._others = others

    def replace(self, method: str, handler: Handler) -> Handler:
        """See HandlerInterceptor."""
        if method in self._others:
            return handler
        inner = behavior_of(handler)
        begin, end = self._foreground.begin, self._foreground.end

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            begin(context)
            try:
                if handler.request_streaming:
                    request = _around_each(request, partial(end, context), partial(begin, context))
                return inner(request, context)
            finally:
                end(context)

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            with closing(inner(request, context)) as responses:
                yield from _around_each(responses, partial(begin, context), partial(end, context))

        return with_behavior(handler, stream if handler.response_streaming else answer)


def _around_each(messages: Iterator[Any], before: Callable[[], None], after: Callable[[], None]) -> Iterator[Any]:
    """The messages, with something done before and after each of them is waited for or made."""
    while True:
        before()
        try:
            message = next(messages, None)
        finally:
            after()
        if message is None:
            return
        yield message
        # It is taken; the next one must not find it still in memory.
        del message
