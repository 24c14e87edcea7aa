"""When a call that waits for its client is ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import grpc
import pytest

from flowcept_service.rpc.waiting import Waits
from tests.support.clock import Clock


class Call:
    """As much of gRPC's context as waits ask for."""

    def __init__(self) -> None:
        self.is_cancelled = False

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def cancel(self) -> None:
        self.is_cancelled = True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def waits(clock: Clock, ended: list[str]) -> Waits:
    return Waits(clock, ended.append)


@pytest.fixture
def call() -> Call:
    return Call()


def test_a_wait_that_lasts_too_long_ends_the_call(waits: Waits, clock: Clock, call: Call, ended: list[str]) -> None:
    with waits.within(10, "Query", cast("grpc.ServicerContext", call)):
        clock.now = 10
        waits.check()
        assert not call.is_cancelled
        clock.now = 10.1
        waits.check()
    assert call.is_cancelled
    assert ended == ["Query"]


@pytest.fixture
def hastened(waits: Waits, call: Call) -> Iterator[Call]:
    """A call that is waited for, and is to end soon."""
    with waits.within(10, "Query", cast("grpc.ServicerContext", call)) as wait:
        waits.hasten(wait)
        yield call


def test_a_wait_that_is_hastened_has_the_time_that_a_sent_request_needs(
    waits: Waits, clock: Clock, hastened: Call
) -> None:
    clock.now = 0.04
    waits.check()
    assert not hastened.is_cancelled
    clock.now = 0.06
    waits.check()
    assert hastened.is_cancelled


def test_a_wait_that_is_hastened_goes_on_while_requests_of_others_come_in(
    waits: Waits, clock: Clock, hastened: Call
) -> None:
    clock.now = 0.04
    waits.request_came()
    clock.now = 0.08
    waits.check()
    assert not hastened.is_cancelled
    clock.now = 0.1
    waits.check()
    assert hastened.is_cancelled


def test_a_wait_that_is_hastened_ends_even_if_requests_of_others_never_cease(
    waits: Waits, clock: Clock, hastened: Call
) -> None:
    while not hastened.is_cancelled:
        assert clock.now < 1.1
        clock.now += 0.04
        waits.request_came()
        waits.check()
    assert clock.now > 1


def test_time_in_which_the_service_could_not_run_does_not_count_for_a_wait_that_is_hastened(
    waits: Waits, clock: Clock, hastened: Call
) -> None:
    clock.now += waits.until_next() + 0.06
    waits.check()
    assert not hastened.is_cancelled
    for _ in range(4):
        clock.now += waits.until_next()
        waits.check()
    assert hastened.is_cancelled


def test_a_wait_that_is_over_ends_nothing(waits: Waits, clock: Clock, call: Call, ended: list[str]) -> None:
    with waits.within(10, "Query", cast("grpc.ServicerContext", call)) as wait:
        pass
    waits.hasten(wait)
    clock.now = 11
    waits.check()
    assert not call.is_cancelled
    assert ended == []
