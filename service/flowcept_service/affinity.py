"""Keeping the threads that run Python on one CPU.

The interpreter runs one thread at a time, and gives itself away for each short call into C: a lock, a read of the
store. Where its threads may run on several CPUs, each of those calls wakes one that waits, on another CPU, where it
finds the interpreter taken again; that is half of what a small call of the service costs. On one CPU, who waits is not
woken before the one that runs has to wait itself. Work outside of the interpreter (hashing bulk bytes, moving them from
and to the disk) is for all CPUs.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import structlog

from flowcept_service.periodic import Periodic

LOOK_SECONDS: Final = 2.0
"""How often is looked whether another CPU would be better."""
CROWDED: Final = 0.3
"""Share of the CPU that goes to other programs, above which a better one is looked for."""
FREE: Final = 0.5
"""Share of the time in which a CPU has nothing to do, above which it is better."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class CpuTime(NamedTuple):
    """What a CPU has done since the machine started, in any unit."""

    total: float
    idle: float


class _Reading(NamedTuple):
    """What was read at one moment."""

    moment: float
    own: float
    times: Mapping[int, CpuTime]


def allowed_cpus() -> set[int]:
    """The CPUs of the process: those of its main thread, which never stays at home."""
    return os.sched_getaffinity(os.getpid()) if sys.platform == "linux" else set()


def roam() -> None:
    """Let the calling thread run on every CPU of the process, although one that stays at home has started it."""
    _use(allowed_cpus())


def _use(cpus: set[int]) -> None:
    """Let the calling thread run on these CPUs, if that can be.

    A container may lose a CPU at any time, and a sandbox may forbid the choice (systemd's ``SystemCallFilter``).
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setaffinity(0, cpus)


def cpu_times() -> Mapping[int, CpuTime]:
    """The times of all CPUs; see proc(5) on ``/proc/stat``."""
    found = {}
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            # user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of user
            spent = [float(value) for value in fields[:8]]
            found[int(name.removeprefix("cpu"))] = CpuTime(sum(spent), spent[3] + spent[4])
    return found


class Home:
    """The CPU that threads stay on together. Other systems than Linux have no say in this: there, all threads roam.

    There is one in a process, since threads that have one CPU are taken for those that stay.

    Args:
        wanted: Whether threads stay at all.
        times: Reads the times of all CPUs.
        own_seconds: Reads the CPU time of this process.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        wanted: bool,
        times: Callable[[], Mapping[int, CpuTime]] = cpu_times,
        own_seconds: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        allowed = allowed_cpus()
        self._exists = wanted and len(allowed) > 1
        # By chance, or all services of a machine would begin on the same one.
        self._cpu = random.choice(sorted(allowed)) if self._exists else 0  # noqa: S311 - it guards nothing
        self._times = times
        self._own_seconds = own_seconds
        self._clock = clock
        self._before: _Reading | None = None
        self._looks = Periodic("home-cpu", self.look, lambda: LOOK_SECONDS)

    def start(self) -> None:
        """Begin to look for better CPUs."""
        if self._exists:
            self._looks.start(at_once=True)

    def stop(self) -> None:
        """Look no more."""
        self._looks.stop()

    def stay(self) -> None:
        """Keep the calling thread at home, and those that it starts."""
        if self._exists:
            _use({self._cpu})

    def start_here(self, start: Callable[[], T]) -> T:
        """Call a function that starts threads which are to stay at home; what it returns."""
        # Not in the main thread, whose CPUs are those of the process.
        with ThreadPoolExecutor(1, initializer=self.stay) as starting:
            return starting.submit(start).result()

    def look(self) -> None:
        """Move, with all threads that stay, when other programs need the CPU and another one is free."""
        before, now = self._before, self._read()
        self._before = now
        if before is None:
            return
        known = allowed_cpus() & before.times.keys() & now.times.keys()
        idle = {cpu: _idle_share(before.times[cpu], now.times[cpu]) for cpu in known}
        best = max(idle, key=idle.__getitem__, default=self._cpu)
        own = (now.own - before.own) / (now.moment - before.moment)
        if self._cpu not in idle or (1 - idle[self._cpu] - own > CROWDED and idle[best] > FREE):
            _log.debug("another CPU is better", left=self._cpu, taken=best)
            self._cpu = best
        self._gather()

    def _read(self) -> _Reading:
        return _Reading(self._clock(), self._own_seconds(), self._times())

    def _gather(self) -> None:
        """Bring everybody who stays anywhere else; who stays is told by having one CPU."""
        for task in Path("/proc/self/task").iterdir():
            thread = int(task.name)
            with suppress(OSError):  # it has ended
                if len(cpus := os.sched_getaffinity(thread)) == 1 and self._cpu not in cpus:
                    os.sched_setaffinity(thread, {self._cpu})


def _idle_share(before: CpuTime, now: CpuTime) -> float:
    """The share of the time between two readings; none of no time."""
    total = now.total - before.total
    return (now.idle - before.idle) / total if total else 0.0
