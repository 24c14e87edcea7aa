"""Times of records: read from what clients send, stored as Flowcept stores them.

Tasks keep times as BSON dates (UTC, milliseconds), workflows and agents as seconds since the epoch (float). A date is
cut to milliseconds at once, so that a record is the same before and after the store.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flowcept.errors import InvalidArgumentError, Reason, shorten

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_YEAR_9999 = 253_370_764_800

_MICROSECOND = timedelta(microseconds=1)

_FORMS = "give seconds since the epoch (a number), an ISO 8601 string or a date"


def read_time(field: str, value: object) -> datetime:
    """A point in time, UTC, to the microsecond.

    Args:
        field: Name of the field, for the error.
        value: Seconds since the epoch (int or float), an ISO 8601 string or a datetime; without a zone they are UTC.

    Raises:
        InvalidArgumentError: INVALID_FIELD.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            problem = "is not within the years 1 to 9999; give seconds since the epoch, not milli- or nanoseconds"
            raise _invalid(field, value, problem) from None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _invalid(field, value, f"is no ISO 8601 time; {_FORMS}") from None
    if isinstance(value, datetime):
        if value.tzinfo is UTC:
            return value
        try:
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        except OverflowError:
            raise _invalid(field, value, "is not within the years 1 to 9999 in UTC") from None
    raise _invalid(field, value, f"is of type {type(value).__name__}; {_FORMS}")


def as_date(field: str, value: object) -> datetime:
    """A time as a task stores it: a date in UTC, cut to milliseconds. Raises InvalidArgumentError (INVALID_FIELD)."""
    if type(value) is float and 0 <= value < _YEAR_9999:
        # What nearly all clients send: the same in a third of the time.
        return datetime.fromtimestamp(round(value * 1_000_000) // 1000 / 1000, UTC)
    if type(value) is datetime and value.tzinfo is UTC and not value.microsecond % 1000:
        return value
    moment = read_time(field, value)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def as_seconds(field: str, value: object) -> float:
    """A time as a workflow or an agent stores it: seconds since the epoch. Raises as ``read_time``."""
    moment = read_time(field, value)
    return float(value) if isinstance(value, (int, float)) else moment.timestamp()


def to_milliseconds(value: object) -> int | None:
    """A stored time, date or seconds, in whole milliseconds since the epoch; None for anything else."""
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        return (moment - EPOCH) // _MICROSECOND // 1000
    if isinstance(value, (int, float)) and -1e12 < value < 1e12:
        return round(value * 1_000_000) // 1000
    return None


def _invalid(field: str, value: object, problem: str) -> InvalidArgumentError:
    message = f"{field} is {shorten(value)}, which {problem}"
    return InvalidArgumentError(message, reason=Reason.INVALID_FIELD, field=field)
