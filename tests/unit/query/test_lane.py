"""Queries that are evaluated here make room: a short one is a call like others, a long one is behind all of them."""

from __future__ import annotations

import pytest

from flowcept_service.query import Foreground, Lane
from flowcept_service.query._lane import LONGEST_REST_SECONDS, TURN_SECONDS, Place


class Thread:
    """A thread that computes and sleeps as told."""

    def __init__(self) -> None:
        self.worked = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Setting:
    """A lane, and one query in it that has taken its place."""

    def __init__(self, percent: int = 50) -> None:
        self.foreground = Foreground()
        self.thread = Thread()
        self.told: list[float] = []
        self.lane = Lane(
            self.foreground, percent, self.told.append, worked=lambda: self.thread.worked, sleep=self.thread.sleep
        )
        self.place: Place = self.lane.place()
        self.place.take()

    def compute(self, seconds: float) -> None:
        """Have the query compute, and make room."""
        self.thread.worked += seconds
        self.place.make_room()

    def scan(self) -> None:
        """Have the query compute until it is a scan."""
        self.compute(TURN_SECONDS)


def test_a_query_is_a_call_at_work_until_it_is_a_scan() -> None:
    setting = Setting()
    setting.compute(TURN_SECONDS * 0.9)
    assert setting.foreground.is_busy
    setting.compute(TURN_SECONDS * 0.2)
    assert not setting.foreground.is_busy


def test_a_query_that_ends_early_is_not_at_work_any_more() -> None:
    setting = Setting()
    assert setting.place.leave()
    assert not setting.foreground.is_busy
    assert not setting.place.leave(), "it has left already"


def test_only_a_scan_rests() -> None:
    setting = Setting()
    setting.foreground.begin("a call")
    setting.compute(TURN_SECONDS * 0.9)
    assert setting.thread.slept == []
    setting.scan()
    setting.compute(0.001)
    assert setting.thread.slept == pytest.approx([0.001])


@pytest.mark.parametrize(("percent", "rest"), [(50, 0.001), (20, 0.004), (80, 0.00025)])
def test_a_scan_computes_its_share_of_the_time_while_a_call_is_at_work(percent: int, rest: float) -> None:
    setting = Setting(percent)
    setting.scan()
    setting.foreground.begin("a call")
    setting.compute(0.001)
    setting.compute(0.001)
    assert setting.thread.slept == pytest.approx([rest, rest])


def test_a_scan_does_not_rest_when_nobody_gains_by_it() -> None:
    setting = Setting()
    setting.scan()
    setting.foreground.begin("a call")
    setting.foreground.end("a call")
    setting.compute(0.001)
    assert setting.thread.slept == []


def test_a_scan_that_may_have_all_of_the_time_never_rests() -> None:
    setting = Setting(percent=100)
    setting.scan()
    setting.foreground.begin("a call")
    setting.compute(0.001)
    assert setting.thread.slept == []


def test_a_rest_is_bounded_however_long_one_document_took() -> None:
    setting = Setting(percent=1)
    setting.scan()
    setting.foreground.begin("a call")
    setting.compute(5.0)
    assert setting.thread.slept == [LONGEST_REST_SECONDS]


def test_rests_are_told() -> None:
    setting = Setting()
    setting.scan()
    setting.foreground.begin("a call")
    setting.compute(0.001)
    assert setting.told == setting.thread.slept != []


def test_what_happens_while_a_query_has_no_place_is_not_its_work() -> None:
    setting = Setting()
    setting.scan()
    setting.foreground.begin("a call")
    setting.place.leave()
    setting.thread.worked += 1.0  # as when its results are sent
    setting.place.take()
    setting.compute(0.001)
    assert setting.thread.slept == pytest.approx([0.001])
