"""Which threads stay on one CPU, and when that is another one."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import pytest

from flowcept_service.affinity import CROWDED, FREE, CpuTime, Home, allowed_cpus, cpu_times, roam

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="there is one CPU, or no say in which"
)

SECOND = 100.0
"""A second of CPU time, in the unit of the readings."""


class Machine:
    """The CPU times that a home reads, as the test has them; one second passes between two readings."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.own = 0.0
        self.times = {cpu: CpuTime(0.0, 0.0) for cpu in allowed_cpus()}

    def clock(self) -> float:
        return self.seconds

    def pass_a_second(self, *, busy: dict[int, float], own: float = 0.0) -> None:
        """Each CPU is busy for its share of the second; this process computes for ``own`` of it."""
        self.seconds += 1
        self.own += own
        for cpu, (total, idle) in self.times.items():
            self.times[cpu] = CpuTime(total + SECOND, idle + SECOND * (1 - busy.get(cpu, 0.0)))


class Resident:
    """A thread that stays at a home until the test is over."""

    def __init__(self, home: Home) -> None:
        self._over = Event()
        self._thread = Thread(target=self._over.wait)
        home.start_here(self._thread.start)

    @property
    def cpus(self) -> set[int]:
        assert self._thread.native_id is not None
        return os.sched_getaffinity(self._thread.native_id)

    def leave(self) -> None:
        """Stay on another CPU than the others."""
        assert self._thread.native_id is not None
        os.sched_setaffinity(self._thread.native_id, {min(allowed_cpus() - self.cpus)})

    def end(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def home(machine: Machine) -> Home:
    """A home that has looked once."""
    home = Home(wanted=True, times=lambda: dict(machine.times), own_seconds=lambda: machine.own, clock=machine.clock)
    home.look()
    return home


@pytest.fixture
def resident(home: Home) -> Iterator[Resident]:
    resident = Resident(home)
    yield resident
    resident.end()


def cpus_in_pool(begin: Callable[[], None]) -> set[int]:
    with ThreadPoolExecutor(1, initializer=begin) as pool:
        return pool.submit(os.sched_getaffinity, 0).result()


def test_threads_that_stay_share_one_cpu(home: Home, resident: Resident) -> None:
    assert len(resident.cpus) == 1
    assert cpus_in_pool(home.stay) == resident.cpus


def test_whoever_starts_threads_at_home_does_not_stay(home: Home) -> None:
    before = os.sched_getaffinity(0)
    assert home.start_here(lambda: len(os.sched_getaffinity(0))) == 1
    assert os.sched_getaffinity(0) == before


def test_a_thread_that_roams_uses_all_cpus_although_one_at_home_has_started_it(home: Home) -> None:
    assert home.start_here(lambda: cpus_in_pool(roam)) == allowed_cpus()


def test_nobody_stays_where_it_is_not_wanted() -> None:
    home = Home(wanted=False)
    assert cpus_in_pool(home.stay) == allowed_cpus()
    assert home.start_here(lambda: os.sched_getaffinity(0)) == allowed_cpus()


def test_all_move_to_a_free_cpu_when_other_programs_crowd_theirs(
    machine: Machine, home: Home, resident: Resident
) -> None:
    (crowded,) = resident.cpus
    machine.pass_a_second(busy={crowded: 1.0}, own=1 - CROWDED - 0.1)
    home.look()
    assert crowded not in resident.cpus
    assert len(resident.cpus) == 1
    assert cpus_in_pool(home.stay) == resident.cpus


@pytest.mark.parametrize(
    ("own", "elsewhere"),
    [
        pytest.param(1.0, 0.0, id="the service itself is what makes the CPU busy"),
        pytest.param(0.0, FREE + 0.1, id="no other CPU is free"),
    ],
)
def test_nobody_moves_without_a_reason(
    machine: Machine, home: Home, resident: Resident, own: float, elsewhere: float
) -> None:
    cpus = resident.cpus
    machine.pass_a_second(busy=dict.fromkeys(allowed_cpus(), elsewhere) | dict.fromkeys(cpus, 1.0), own=own)
    home.look()
    assert resident.cpus == cpus


def test_a_cpu_that_was_taken_from_the_process_is_left(machine: Machine, home: Home, resident: Resident) -> None:
    (lost,) = resident.cpus
    del machine.times[lost]
    machine.pass_a_second(busy={})
    home.look()
    assert lost not in resident.cpus


def test_who_was_left_behind_in_a_move_follows(machine: Machine, home: Home, resident: Resident) -> None:
    cpus = resident.cpus
    resident.leave()
    machine.pass_a_second(busy={})
    home.look()
    assert resident.cpus == cpus


def test_where_the_choice_is_forbidden_all_threads_work_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(thread: int, cpus: set[int]) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    home = Home(wanted=True)
    assert cpus_in_pool(home.stay) == cpus_in_pool(roam) == allowed_cpus()
    home.look()
    home.look()


def test_the_times_of_every_cpu_are_read() -> None:
    times = cpu_times()
    assert allowed_cpus() <= times.keys()
    assert all(0 < time.idle <= time.total for time in times.values())
