"""Joins what two records say about one thing, field by field; the rules are those of ``merging``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from flowcept_service.domain.merge_state import MERGE_STATE
from flowcept_service.domain.records import Document
from flowcept_service.provenance.inserter.fields import Merging, Schema, as_list
from flowcept_service.provenance.inserter.precedence import (
    LeafTimes,
    RecordTimes,
    exceptions,
    latest_time,
    status_wins,
    wins,
)
from flowcept_service.provenance.inserter.times import to_milliseconds


def join(left: Document, right: Document, schema: Schema) -> Document:
    """The record that says what both say, with the times that further joins need. Neither argument is changed."""
    left_times = RecordTimes(left, schema.evidence)
    right_times = RecordTimes(right, schema.evidence)
    record: Document = {}
    times: LeafTimes = {}
    for field in left | right:
        if field == MERGE_STATE:
            continue
        # To be absent is to be None: it never wins.
        value, other = left.get(field), right.get(field)
        merging = schema.merging.get(field, Merging.VALUE)
        if merging is Merging.BY_KEY and _joins_by_key(value, other):
            keys, other_keys = value or {}, other or {}
            record[field], times[field] = _join_keys(
                keys, left_times.of_keys(field, keys), other_keys, right_times.of_keys(field, other_keys)
            )
        elif merging is Merging.VALUE or merging is Merging.STATUS or merging is Merging.BY_KEY:
            beats = status_wins if merging is Merging.STATUS else wins
            time, other_time = left_times.of_field(field), right_times.of_field(field)
            if beats(other, other_time, value, time):
                value, time = other, other_time
            record[field] = value
            if value is not None:
                times[field] = time
        else:
            record[field] = value if other is None else other if value is None else _TIMELESS[merging](value, other)
    remembered = exceptions(times, latest_time(record, schema.evidence))
    if remembered:
        record[MERGE_STATE] = {"times": remembered}
    return record


def _join_keys(
    mapping: Mapping[str, Any], times: Mapping[str, int], other: Mapping[str, Any], other_times: Mapping[str, int]
) -> tuple[Document, dict[str, int]]:
    """Two mappings merged by key, with the time of each key that has a value."""
    joined, joined_times = dict(mapping), dict(times)
    for key, value in other.items():
        if key not in joined or (
            value is not None and wins(value, other_times[key], joined[key], joined_times.get(key, other_times[key]))
        ):
            joined[key] = value
            if value is not None:
                joined_times[key] = other_times[key]
    return joined, joined_times


def _joins_by_key(value: object, other: object) -> bool:
    """Whether both are mappings, or one is and the other absent. Another program may have stored something else."""
    return (isinstance(value, Mapping) or value is None) and (isinstance(other, Mapping) or other is None)


def _earliest(value: object, other: object) -> object:
    return value if _seconds(value, math.inf) <= _seconds(other, math.inf) else other


def _latest(value: object, other: object) -> object:
    return value if _seconds(value, -math.inf) >= _seconds(other, -math.inf) else other


def _seconds(value: object, otherwise: float) -> float:
    """A stored time as something to compare; ``otherwise`` for what is no time."""
    if isinstance(value, (int, float)):
        return value
    milliseconds = to_milliseconds(value)
    return otherwise if milliseconds is None else milliseconds / 1000


def _union(value: Any, other: Any) -> list[str]:
    """The union of two lists. Only lists that differ are sorted: the user's order lasts while there is one."""
    value, other = as_list(value), as_list(other)
    return value if value == other else sorted({*value, *other})


_TIMELESS: Mapping[Merging, Callable[[Any, Any], Any]] = {
    Merging.EARLIEST: _earliest,
    Merging.LATEST: _latest,
    Merging.UNION: _union,
}
"""The mergings in which only the values count."""
