"""Streaming the results of a query: early, in bounded batches, and no longer than they are wanted."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from typing import Any

from flowcept.errors import CancelledError, Reason
from flowcept_service.domain.merge_state import visible_bson
from flowcept_service.query import Query

FIRST_BATCH_BYTES = 16 << 10
"""The first results are sent as soon as there are so many bytes of them."""

MAX_BATCH_BYTES = 1 << 20
"""Batches grow up to so many bytes; a result that is larger goes alone."""

CHECK_EVERY = 1024
"""Documents that are looked at between two questions whether the results are still wanted."""

Find = Callable[[Query], Generator[bytes, None, None]]
Frame = Callable[[bytes], bytes]


def stream_results(
    find: Find, query: Query, frame: Frame, is_wanted: Callable[[], bool]
) -> Generator[bytes, None, None]:
    """The results of a query in batches of joined frames.

    Args:
        find: Evaluates the query, lazily.
        query: What is asked for.
        frame: Frames one BSON document, so that frames may be joined.
        is_wanted: Whether the client is still there.

    Raises:
        CancelledError: the results were not wanted any more.
        ResourceExhaustedError: RESULT_TOO_LARGE, from ``find``.
    """
    limit = FIRST_BATCH_BYTES
    batch: list[bytes] = []
    size = 0
    with closing(find(_while_wanted(query, is_wanted))) as results:
        for document in results:
            framed = frame(visible_bson(document))
            if batch and size + len(framed) > limit:
                _check_wanted(is_wanted)
                yield b"".join(batch)
                batch, size = [], 0
                limit = min(limit * 4, MAX_BATCH_BYTES)
            batch.append(framed)
            size += len(framed)
    if batch:
        yield b"".join(batch)


def _while_wanted(query: Query, is_wanted: Callable[[], bool]) -> Query:
    """The query, given up in the middle of a scan that matches nothing: there, no result gives an occasion to stop."""
    matches = query.matches
    looked_at = 0

    def matches_while_wanted(document: dict[str, Any]) -> bool:
        nonlocal looked_at
        looked_at += 1
        if looked_at % CHECK_EVERY == 0:
            _check_wanted(is_wanted)
        return matches(document)

    return replace(query, matches=matches_while_wanted)


def _check_wanted(is_wanted: Callable[[], bool]) -> None:
    if not is_wanted():
        raise CancelledError("the caller gave up the query", reason=Reason.CANCELLED)
