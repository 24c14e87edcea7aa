"""What one query may spend, and whether anybody still waits for its answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from flowcept.errors import CancelledError, Reason, ResourceExhaustedError
from flowcept_service.query._lane import Place

LOOK_SECONDS: Final = 0.0005
"""Time between two questions, give or take a document: so long others wait for a scan to make room."""


class QueryBudget:
    """Ends a query whose time is up, or whose caller is gone; whatever works for the query asks it now and then.

    Args:
        seconds: Time that the query may take; time in which the caller takes results, or the query makes room for
            others, does not count. 0: any.
        is_wanted: Whether the caller is still there.
        clock: Monotonic seconds.
        place: Taken while documents are looked at here; None: the query shares with nobody.
    """

    def __init__(
        self,
        seconds: float,
        is_wanted: Callable[[], bool],
        clock: Callable[[], float],
        place: Place | None = None,
    ) -> None:
        self._place = place
        self._limit = seconds
        self._is_wanted = is_wanted
        self._clock = clock
        self._end = clock() + seconds if seconds else math.inf

    @property
    def seconds_left(self) -> float:
        """Time that is left; infinite without a limit."""
        return self._end - self._clock()

    def check(self) -> None:
        """Go on only if the query may.

        Raises:
            CancelledError: The caller is gone.
            ResourceExhaustedError: QUERY_TOO_EXPENSIVE.
        """
        if not self._is_wanted():
            raise CancelledError("the caller gave up the query", reason=Reason.CANCELLED)
        if self._clock() > self._end:
            raise self.too_expensive()

    def over(self, documents: Iterable[bytes]) -> Iterator[bytes]:
        """The same documents, as long as `check` lets them pass: for a scan, of which few may be results."""
        clock, place = self._clock, self._place
        if place is not None:
            place.take()
        look = clock() + LOOK_SECONDS
        try:
            for document in documents:
                if clock() > look:
                    self.check()
                    self._make_room()
                    look = clock() + LOOK_SECONDS
                yield document
        finally:
            if place is not None:
                place.leave()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While somebody else works: it costs this query no time, and others may have its turn."""
        since = self._clock()
        place = self._place if self._place is not None and self._place.leave() else None
        try:
            yield
        finally:
            if place is not None:
                place.take()
            self._end += self._clock() - since

    def _make_room(self) -> None:
        if self._place is not None:
            since = self._clock()
            self._place.make_room()
            self._end += self._clock() - since

    def too_expensive(self) -> ResourceExhaustedError:
        """The error for a query that took too long."""
        return ResourceExhaustedError(
            f"the query took longer than the {self._limit:g} s that are allowed; narrow its filter, pin an indexed "
            "field (an identifier, workflow_id, campaign_id), or read in parts with sort and limit",
            reason=Reason.QUERY_TOO_EXPENSIVE,
            limit_seconds=f"{self._limit:g}",
        )


def within(budget: QueryBudget | None, documents: Iterable[bytes]) -> Iterable[bytes]:
    """The documents of a scan, within its budget if it has one."""
    return documents if budget is None else budget.over(documents)
