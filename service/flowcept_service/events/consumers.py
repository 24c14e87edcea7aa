"""Where subscriptions start, and how far durable consumers have come."""

from __future__ import annotations

from enum import Enum, auto

from flowcept.errors import NotFoundError, OutOfRangeError, Reason, shorten
from flowcept_service.domain.events import LogBounds
from flowcept_service.storage.contract import EventLog
from flowcept_service.storage.refusals import check_held


class LogEdge(Enum):
    """One end of the log."""

    LATEST = auto()
    """Behind the last event."""
    EARLIEST = auto()
    """Before the oldest event that is held."""


Start = LogEdge | int
"""Where a subscription starts: at an end of the log, or behind a sequence."""


def start_position(log: EventLog, start: Start, consumer: str) -> int:
    """The sequence behind which a subscription starts.

    A durable consumer continues behind what it has acknowledged; one that is not known comes into being at ``start``.

    Args:
        log: The event log.
        start: Where to start, unless the consumer says so.
        consumer: Name of the durable consumer; empty when there is none.

    Raises:
        OutOfRangeError: EVENTS_TRIMMED or SEQUENCE_NOT_REACHED: the log does not hold what follows that position.
    """
    bounds = log.bounds()
    acknowledged = log.position(consumer) if consumer else None
    if acknowledged is not None:
        _check_held_for_consumer(acknowledged, bounds)
        return acknowledged
    if start is LogEdge.LATEST:
        position = bounds.last
    elif start is LogEdge.EARLIEST:
        position = bounds.oldest - 1
    else:
        position = start
        check_held(position, bounds)
    if consumer:
        log.acknowledge(consumer, position)
    return position


def delete_consumer(log: EventLog, consumer: str, called: str) -> int:
    """Forget a durable consumer; the sequence that it had acknowledged.

    Args:
        log: The event log.
        consumer: Name of the consumer in the log.
        called: The name that its readers know it by, for the error.

    Raises:
        NotFoundError: CONSUMER_NOT_FOUND.
    """
    position = log.delete_consumer(consumer)
    if position is None:
        raise NotFoundError(
            f"there is no durable consumer {shorten(called)}; `flowcept-service status` names those that are the "
            "furthest behind",
            reason=Reason.CONSUMER_NOT_FOUND,
            consumer=called,
        )
    return position


def _check_held_for_consumer(position: int, bounds: LogBounds) -> None:
    try:
        check_held(position, bounds)
    except OutOfRangeError as error:
        raise OutOfRangeError(
            # Without its name: of a caller that is confined to campaigns, the log knows another one than the caller.
            f"{error.message}. The durable consumer stands there: acknowledge {bounds.oldest - 1} to go on",
            reason=error.reason,
            **error.metadata,
        ) from None
