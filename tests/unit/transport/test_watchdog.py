from __future__ import annotations

import itertools
import threading

from flowcept.transport._watchdog import Watch, Watchdog
from tests.support.conditions import PATIENCE


def test_a_stream_that_waits_too_long_is_broken_off() -> None:
    now = [0.0]
    cancelled: list[bool] = []
    watch = Watch(10.0, lambda: cancelled.append(True), lambda: now[0])
    watch.arm()
    now[0] = 9.9
    watch.look()
    assert not watch.expired
    now[0] = 10.1
    watch.look()
    watch.look()
    assert watch.expired
    assert cancelled == [True]


def test_a_slow_user_of_a_stream_is_not_idleness() -> None:
    now = [0.0]
    watch = Watch(10.0, lambda: None, lambda: now[0])
    watch.arm()
    watch.disarm()
    now[0] = 1000.0
    watch.look()
    assert not watch.expired


def test_the_watchdog_looks_by_itself() -> None:
    broken = threading.Event()
    ticks = itertools.count()
    watchdog = Watchdog(0.05, lambda: float(next(ticks)))
    watchdog.watch(broken.set).arm()
    assert broken.wait(PATIENCE)


def test_a_stream_that_has_ended_is_forgotten() -> None:
    forgotten, looked = threading.Event(), threading.Event()
    now = [0.0]
    watchdog = Watchdog(0.02, lambda: now[0])
    watch = watchdog.watch(forgotten.set)
    watch.arm()
    watchdog.forget(watch)
    watchdog.watch(looked.set).arm()
    now[0] = 3600.0
    assert looked.wait(PATIENCE)
    assert not forgotten.is_set()
