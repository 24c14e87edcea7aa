"""What one query may spend, and whether anybody still waits for its answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from flowcept.errors import CancelledError, Reason, ResourceExhaustedError
from flowcept_service.query._turns import Turns

CHECK_BYTES: Final = 256 << 10
"""Documents that pass between two questions: a quick scan looks at so much in about a millisecond."""
DOCUMENT_BYTES: Final = 1 << 10
"""What looking at a document costs besides its size, in the same measure."""


class QueryBudget:
    """Ends a query whose time is up, or whose caller is gone; whatever works for the query asks it now and then.

    Args:
        seconds: Time that the query may take; time in which the caller takes results, or other queries have their turn,
            does not count. 0: any.
        is_wanted: Whether the caller is still there.
        clock: Monotonic seconds.
        turns: Taken while documents are looked at here; None: at any time.
    """

    def __init__(
        self,
        seconds: float,
        is_wanted: Callable[[], bool],
        clock: Callable[[], float],
        turns: Turns | None = None,
    ) -> None:
        self._turns = turns
        self._has_turn = False
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
        """The same documents, as long as `check` lets them pass: for a scan, of which few may be results.

        What is found at once needs no turn; only a query that goes on after that takes one.
        """
        passed = 0
        try:
            for document in documents:
                passed += len(document) + DOCUMENT_BYTES
                if passed > CHECK_BYTES:
                    passed = 0
                    self.check()
                    self._give_turn()
                    self._take_turn()
                yield document
        finally:
            self._give_turn()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While somebody else works: it costs this query no time, and others may have its turn."""
        since = self._clock()
        had_turn = self._has_turn
        self._give_turn()
        try:
            yield
        finally:
            self._end += self._clock() - since
            if had_turn:
                self._take_turn()

    def _take_turn(self) -> None:
        if self._turns is not None:
            since = self._clock()
            self._turns.take()
            self._has_turn = True
            self._end += self._clock() - since

    def _give_turn(self) -> None:
        if self._turns is not None and self._has_turn:
            self._has_turn = False
            self._turns.give()

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
