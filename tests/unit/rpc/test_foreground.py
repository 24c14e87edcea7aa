"""Which calls count as at work: those that do something, and not those that wait for their client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from flowcept_service.query import Foreground
from flowcept_service.rpc.foreground import ForegroundCalls
from flowcept_service.rpc.handlers import Handler, behavior_of

METHOD = "/flowcept.v1.Some/Method"
OTHER = "/flowcept.v1.Some/Other"


@pytest.fixture
def foreground() -> Foreground:
    return Foreground()


def call(foreground: Foreground, handler: Handler, request: Any, method: str = METHOD) -> Any:
    """Call a handler through the interceptor."""
    interceptor = ForegroundCalls(foreground, frozenset({OTHER}))
    context: Any = object()
    return behavior_of(interceptor.replace(method, handler))(request, context)


def test_a_unary_call_is_at_work_from_its_beginning_to_its_end(foreground: Foreground) -> None:
    handler: Handler = grpc.unary_unary_rpc_method_handler(lambda _, __: foreground.is_busy)
    assert call(foreground, handler, b"")
    assert not foreground.is_busy


def test_a_call_that_fails_is_not_at_work_any_more(foreground: Foreground) -> None:
    def fail(request: Any, context: grpc.ServicerContext) -> bytes:
        raise ValueError("no")

    handler: Handler = grpc.unary_unary_rpc_method_handler(fail)
    with pytest.raises(ValueError, match="no"):
        call(foreground, handler, b"")
    assert not foreground.is_busy


def test_an_upload_is_not_at_work_while_it_waits_for_a_message(foreground: Foreground) -> None:
    def messages() -> Iterator[bytes]:
        assert not foreground.is_busy
        yield b"one"
        assert not foreground.is_busy

    def receive(requests: Iterator[bytes], context: grpc.ServicerContext) -> list[bool]:
        return [foreground.is_busy, *(foreground.is_busy for _ in requests), foreground.is_busy]

    handler: Handler = grpc.stream_unary_rpc_method_handler(receive)
    assert call(foreground, handler, messages()) == [True, True, True]
    assert not foreground.is_busy


def test_an_upload_whose_client_is_gone_is_at_work_until_it_has_kept_what_there_is(foreground: Foreground) -> None:
    kept = []

    def messages() -> Iterator[bytes]:
        yield b"one"
        raise grpc.RpcError

    def receive(requests: Iterator[bytes], context: grpc.ServicerContext) -> None:
        try:
            list(requests)
        finally:
            kept.append(foreground.is_busy)

    handler: Handler = grpc.stream_unary_rpc_method_handler(receive)
    with pytest.raises(grpc.RpcError):
        call(foreground, handler, messages())
    assert kept == [True]
    assert not foreground.is_busy


def test_a_download_is_not_at_work_while_its_client_takes_a_message(foreground: Foreground) -> None:
    made = []

    def send(request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        for part in (b"one", b"two"):
            made.append(foreground.is_busy)
            yield part

    handler: Handler = grpc.unary_stream_rpc_method_handler(send)
    assert [foreground.is_busy for _ in call(foreground, handler, b"")] == [False, False]
    assert made == [True, True]


def test_other_methods_are_left_alone(foreground: Foreground) -> None:
    handler: Handler = grpc.unary_unary_rpc_method_handler(lambda _, __: foreground.is_busy)
    assert not call(foreground, handler, b"", OTHER)
