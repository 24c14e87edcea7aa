"""What queries that are evaluated here share with one another and with all other calls: one interpreter."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from flowcept_service.query._turns import Turns

SCANS_AT_ONCE: Final = 1
"""Queries that scan at the same moment; the others have their turn milliseconds later.

More would not be faster, for they share one interpreter, and every other call would wait for each of them."""
TURN_SECONDS: Final = 0.002
"""What a query computes in one turn. Before the first one it is a call like others: most queries need no more."""
LONGEST_REST_SECONDS: Final = 0.01
"""However long a query has computed before it could rest: those it made room for are done by then, or wait too."""


class Foreground:
    """The calls at work, for which scans make room. Calls that wait for their clients are not at work."""

    def __init__(self) -> None:
        # Sets change in one step; no lock is needed for this.
        self._calls: set[object] = set()

    @property
    def is_busy(self) -> bool:
        """Whether there is a call at work."""
        return bool(self._calls)

    def begin(self, call: object) -> None:
        """A call is at work from now on."""
        self._calls.add(call)

    def end(self, call: object) -> None:
        """A call is not at work any more."""
        self._calls.discard(call)


class Lane:
    """Where queries compute: one at a time for long, and then only a share of the time while other calls are at work.

    A thread that computes delays every other one each time that this needs the interpreter, and a call needs it a few
    dozen times. While a scan rests, none is delayed.

    Args:
        foreground: The calls at work.
        percent: Share of the time that a scan computes while one of these is there; 100: it never rests.
        rested: Told of every rest, in seconds.
        worked: Seconds that the calling thread has computed so far.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        foreground: Foreground,
        percent: int,
        rested: Callable[[float], None],
        *,
        worked: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.foreground = foreground
        self.turns = Turns(SCANS_AT_ONCE)
        self.worked = worked
        self._rest_by_work = 100 / percent - 1
        self._rested = rested
        self._sleep = sleep

    def place(self) -> Place:
        """The place of one query."""
        return Place(self)

    def rest(self, worked: float) -> None:
        """Rest after some seconds of work, if anybody gains by it."""
        if self._rest_by_work and self.foreground.is_busy:
            seconds = min(worked * self._rest_by_work, LONGEST_REST_SECONDS)
            self._sleep(seconds)
            self._rested(seconds)


class Place:
    """The place of one query in a lane. A query that goes on after its first turn is a scan: behind all other calls.

    Args:
        lane: The lane.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._is_taken = False
        self._is_scan = False
        self._in_turn = 0.0
        self._since = 0.0

    def take(self) -> None:
        """Begin to compute, or go on; a scan waits for its turn."""
        if self._is_scan:
            self._lane.turns.take()
        else:
            self._lane.foreground.begin(self)
        self._is_taken = True
        self._since = self._lane.worked()

    def leave(self) -> bool:
        """Compute no more for now; whether the query did."""
        was_taken, self._is_taken = self._is_taken, False
        if was_taken and self._is_scan:
            self._lane.turns.give()
        elif was_taken:
            self._lane.foreground.end(self)
        return was_taken

    def make_room(self) -> None:
        """Rest as others need it, and give the turn to the next query when it is over; for a query that computes."""
        now = self._lane.worked()
        worked, self._since = now - self._since, now
        if self._is_scan:
            self._lane.rest(worked)
        self._in_turn += worked
        if self._in_turn >= TURN_SECONDS:
            self._in_turn = 0.0
            self.leave()
            self._is_scan = True
            self.take()
