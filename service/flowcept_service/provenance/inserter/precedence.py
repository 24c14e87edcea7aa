"""Which of two values wins, and when each part of a record was said.

The *time of a message* is the latest of its own times (``Schema.evidence``), in whole milliseconds; a message without
any is older than every other. Every plain value, and every key of a mapping that merges by key, has the time of the
message that it comes from.

A record that comes from one message needs to remember nothing: its values have the time that its own times give. A
merged record remembers, in ``MERGE_STATE``, the values whose time is another one:

    {"times": {"hostname": 1700000000000, "used": {"lr": 1700000000000}}, "tags": ["high_cpu"]}

A number under a mapping stands for all its keys. ``tags`` are those that were derived, and not given by anybody.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import bson

from flowcept_service.domain.merge_state import MERGE_STATE
from flowcept_service.provenance.inserter.fields import FINAL_STATUSES, STATUSES
from flowcept_service.provenance.inserter.times import to_milliseconds

UNTIMED = -(2**63)
"""The time of a message that has none."""

_EQUAL_IF_IDENTICAL = frozenset({str, int, bool})
"""Types whose values are identical if they are equal; floats are not among them: 0.0 equals -0.0."""

LeafTimes = dict[str, int | dict[str, int]]
"""The times of a record's values, by field; by key within mappings that merge by key."""


class RecordTimes:
    """The times of one record's values."""

    __slots__ = ("_default", "_exceptions")

    def __init__(self, record: Mapping[str, Any], evidence: Iterable[str]) -> None:
        self._default = latest_time(record, evidence)
        self._exceptions: LeafTimes = record.get(MERGE_STATE, {}).get("times", {})

    def of_field(self, field: str) -> int:
        """The time of a plain value."""
        time = self._exceptions.get(field)
        return time if isinstance(time, int) else self._default

    def of_keys(self, field: str, mapping: Mapping[str, object]) -> dict[str, int]:
        """The time of each key of a mapping that merges by key. A key without a value has none."""
        times = self._exceptions.get(field)
        keys = (key for key, value in mapping.items() if value is not None)
        if isinstance(times, dict):
            return {key: times.get(key, self._default) for key in keys}
        return dict.fromkeys(keys, self._default if times is None else times)


def latest_time(record: Mapping[str, Any], evidence: Iterable[str]) -> int:
    """The time of a message, or the one that the values of a record have unless it remembers another."""
    times = (to_milliseconds(record[field]) for field in evidence if field in record)
    return max((time for time in times if time is not None), default=UNTIMED)


def exceptions(times: LeafTimes, default: int) -> LeafTimes:
    """The times to remember, in the one form that these times have."""
    kept: LeafTimes = {}
    for field, time in times.items():
        if not isinstance(time, dict):
            if time != default:
                kept[field] = time
        elif len(distinct := set(time.values())) > 1:
            kept[field] = {key: when for key, when in time.items() if when != default}
        elif distinct and (common := distinct.pop()) != default:
            kept[field] = common
    return kept


def wins(value: object, time: int, other: object, other_time: int) -> bool:
    """Whether a value of a plain field goes before another: the later one does, at the same time the greater."""
    if value is None or other is None:
        return other is None
    if time != other_time:
        return time > other_time
    # Most values that meet at the same time are the same value, sent again.
    if type(value) is type(other) and type(value) in _EQUAL_IF_IDENTICAL and value == other:
        return False
    return order_key(value) > order_key(other)


def status_wins(value: object, time: int, other: object, other_time: int) -> bool:
    """The same for a status: a final one goes before any other, and UNKNOWN before none."""
    return _status_key(value, time) > _status_key(other, other_time)


def order_key(value: object) -> tuple[Any, ...]:
    """Orders all values, equal only if identical: numbers by size, strings by code point, the rest by their BSON."""
    encoded = bson.encode({"": value})
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # NaN compares with nothing; below all numbers, it has a place.
        return (1, 0, 0, encoded) if math.isnan(value) else (1, 1, value, encoded)
    if isinstance(value, str):
        return (2, value)
    return (3, encoded)


def _status_key(status: object, time: int) -> tuple[int, int, int]:
    place = STATUSES.get(status, 0) if isinstance(status, str) else 0
    if place == 0:
        return (-1 if status is None else 0, time, 0)
    return (2 if status in FINAL_STATUSES else 1, time, place)
