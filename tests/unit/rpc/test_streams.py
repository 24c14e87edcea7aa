"""What stands around a streaming call: a call that is given up is closed to its innermost part, and keeps nothing."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any

import grpc
import pytest

from flowcept_service.blobs.downloads import Beginning, DownloadRange, Piece
from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.query import Foreground
from flowcept_service.rpc.foreground import ForegroundCalls
from flowcept_service.rpc.handlers import Handler, HandlerInterceptor, behavior_of
from flowcept_service.rpc.interceptors import Coding
from flowcept_service.rpc.metering import Metering
from flowcept_service.rpc.waiting import IdleStreams, Waits
from flowcept_service.server.metrics.blobs import MeteredDownloads
from flowcept_service.server.metrics.registry import Metrics

METHOD = "/flowcept.v1.Some/Stream"


class Call:
    """As much of gRPC's context as these ask for."""

    def code(self) -> None:
        return None

    def is_active(self) -> bool:
        return True


class Quiet:
    """A meter that nobody reads."""

    def started(self) -> None: ...
    def received(self) -> None: ...
    def sent(self) -> None: ...
    def ended(self, code: grpc.StatusCode, seconds: float) -> None: ...


class Message:
    """A response that can be watched."""

    def __bytes__(self) -> bytes:
        return b"encoded"


def quiet_meter(method: str, kind: str) -> Quiet:
    return Quiet()


def now() -> float:
    return 0.0


INTERCEPTORS: dict[str, Callable[[], HandlerInterceptor]] = {
    "metering": lambda: Metering(quiet_meter, now),
    "coding": Coding,
    "foreground": lambda: ForegroundCalls(Foreground(), frozenset()),
    "idle streams": lambda: IdleStreams(Waits(now, lambda _: None), 60.0, frozenset({METHOD})),
}


def stream_through(interceptor: HandlerInterceptor, responses: Iterator[Any]) -> Generator[Any, None, None]:
    """The responses of a call, as they come out of an interceptor."""
    handler: Handler = grpc.unary_stream_rpc_method_handler(lambda _, __: responses)
    call: Any = Call()
    stream: Generator[Any, None, None] = behavior_of(interceptor.replace(METHOD, handler))(b"", call)
    return stream


@pytest.mark.parametrize("name", INTERCEPTORS)
def test_a_stream_that_is_closed_closes_what_it_is_made_from(name: str) -> None:
    closed = []

    def endless() -> Generator[Message, None, None]:
        try:
            while True:
                yield Message()
        finally:
            closed.append(True)

    responses = endless()  # kept here: nothing else but closing ends it
    stream = stream_through(INTERCEPTORS[name](), responses)
    next(stream)
    stream.close()
    assert closed == [True]
    responses.close()


@pytest.mark.parametrize("name", INTERCEPTORS)
def test_a_response_that_was_taken_is_gone_before_the_next_is_made(name: str) -> None:
    made: list[weakref.ref[Message]] = []

    def make() -> Message:
        message = Message()
        made.append(weakref.ref(message))
        return message

    def responses() -> Iterator[Message]:
        yield make()
        assert made[0]() is None
        yield make()

    assert sum(1 for _ in map(bool, stream_through(INTERCEPTORS[name](), responses()))) == len(made) == 2


def test_a_metered_download_that_is_closed_closes_the_download() -> None:
    closed = []

    def endless() -> Generator[Beginning | Piece, None, None]:
        try:
            while True:
                yield Piece(0, [b"data"])
        finally:
            closed.append(True)

    class Downloads:
        pieces = endless()

        def download(self, wanted: DownloadRange) -> Generator[Beginning | Piece, None, None]:
            return self.pieces

        def inline(self, version: ObjectVersion, limit: int) -> bytes | None:
            raise AssertionError("nobody asks for a few bytes")

    stream = MeteredDownloads(Downloads(), Metrics()).download(DownloadRange("o"))
    next(stream)
    stream.close()
    assert closed == [True]
