"""Streaming the results of a query: early, in bounded batches, and no longer than they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from flowcept.errors import Reason, ResourceExhaustedError
from flowcept_service.domain.merge_state import visible_bson
from flowcept_service.query import FilterLimits, Lane, Query, QueryBudget

FIRST_BATCH_BYTES = 128 << 10
"""The first results are sent as soon as there are so many bytes of them: a small query takes one message, for each one
costs as much as finding dozens of documents."""

MAX_BATCH_BYTES = 1 << 20
"""Batches grow up to so many bytes; a result that is larger goes alone."""

Find = Callable[[Query, QueryBudget], Generator[bytes, None, None]]
Frame = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class QuerySettings:
    """What one query may take."""

    seconds: float = 60.0
    """Time to evaluate it, without the time in which the client takes the results; 0: any."""
    result_bytes: int = 0
    """Bytes of results; 0: any."""


class Queries:
    """Answers queries within their bounds.

    Args:
        settings: The bounds.
        filters: How large a filter may be.
        clock: Monotonic seconds.
        lane: Where queries are evaluated that the store leaves to this process.
    """

    def __init__(self, settings: QuerySettings, filters: FilterLimits, clock: Callable[[], float], lane: Lane) -> None:
        self.filters = filters
        self._settings = settings
        self._clock = clock
        self._lane = lane

    def stream(
        self, find: Find, query: Query, frame: Frame, is_wanted: Callable[[], bool]
    ) -> Generator[bytes, None, None]:
        """The results of a query in batches of joined frames.

        Args:
            find: Evaluates the query, lazily.
            query: What is asked for.
            frame: Frames one BSON document, so that frames may be joined.
            is_wanted: Whether the client is still there.

        Raises:
            CancelledError: the results were not wanted any more.
            ResourceExhaustedError: QUERY_TOO_EXPENSIVE; RESULT_TOO_LARGE, also from ``find``.
        """
        budget = QueryBudget(self._settings.seconds, is_wanted, self._clock, self._lane.place())
        limit = FIRST_BATCH_BYTES
        batch: list[bytes] = []
        size = sent = 0
        with closing(find(query, budget)) as results:
            for document in results:
                framed = frame(visible_bson(document))
                if batch and size + len(framed) > limit:
                    budget.check()
                    with budget.paused():
                        yield b"".join(batch)
                    sent += size
                    batch, size = [], 0
                    limit = min(limit * 4, MAX_BATCH_BYTES)
                batch.append(framed)
                size += len(framed)
                self._check_size(sent + size)
        if batch:
            yield b"".join(batch)

    def _check_size(self, size: int) -> None:
        limit = self._settings.result_bytes
        if limit and size > limit:
            raise ResourceExhaustedError(
                f"the results take more than the {limit} bytes that one query may answer; narrow its filter, ask for "
                "fewer fields with a projection, or read in parts with sort, skip and limit",
                reason=Reason.RESULT_TOO_LARGE,
                limit=limit,
            )
