"""Brings a caller's mapping into the engine's own types, within the documented bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import bson
from bson.errors import BSONError
from bson.regex import Regex

from flowcept_service.query._errors import (
    MAX_FILTER_BYTES,
    MAX_FILTER_CLAUSES,
    MAX_FILTER_DEPTH,
    MAX_FILTER_PATTERNS,
    invalid_filter,
)
from flowcept_service.query._values import CODEC_OPTIONS, decode


@dataclass(frozen=True, slots=True)
class FilterLimits:
    """How large a filter may be. Lower bounds than these are for a service to choose; every store can do these."""

    depth: int = MAX_FILTER_DEPTH
    """Levels of documents and arrays."""
    clauses: int = MAX_FILTER_CLAUSES
    """Field names and operators, all levels together."""
    patterns: int = MAX_FILTER_PATTERNS
    """Regular expressions."""
    size: int = MAX_FILTER_BYTES
    """Bytes of BSON."""


DEFAULT_FILTER_LIMITS: Final = FilterLimits()


@dataclass(slots=True)
class _Measure:
    """What a filter holds, counted while it is walked through."""

    limits: FilterLimits
    clauses: int = 0
    patterns: int = 0

    def add(self, value: Any, depth: int) -> None:
        """Count what is inside; refuses what nests too deep, and so what contains itself."""
        if depth > self.limits.depth:
            raise invalid_filter(f"nests more than {self.limits.depth} levels", field="")
        if isinstance(value, Mapping):
            self.clauses += len(value)
            self.patterns += isinstance(value.get("$regex"), str)
            for item in value.values():
                self._add_item(item, depth)
        else:
            for item in value:
                self._add_item(item, depth)

    def _add_item(self, item: Any, depth: int) -> None:
        if isinstance(item, Mapping | list | tuple):
            self.add(item, depth + 1)
        elif isinstance(item, Regex | re.Pattern):
            self.patterns += 1


def normalized_filter(filter: Mapping[str, Any], limits: FilterLimits = DEFAULT_FILTER_LIMITS) -> dict[str, Any]:
    """The filter as BSON would carry it: tuples are lists, compiled patterns are ``Regex``, times have milliseconds.

    Raises:
        InvalidArgumentError: reason ``INVALID_FILTER``: not a mapping, not encodable, too deep, too large.
    """
    if not isinstance(filter, Mapping):
        raise invalid_filter("must be a document", field="", value=filter)
    measure = _Measure(limits)
    measure.add(filter, 1)
    if measure.clauses > limits.clauses:
        raise invalid_filter(f"has more than {limits.clauses} fields and operators; split the query", field="")
    if measure.patterns > limits.patterns:
        raise invalid_filter(
            f"has {measure.patterns} regular expressions, more than {limits.patterns}; join them with |", field=""
        )
    try:
        encoded = bson.encode(filter, codec_options=CODEC_OPTIONS)
    except (BSONError, TypeError, ValueError, OverflowError) as error:
        raise invalid_filter(f"holds a value that BSON cannot encode: {error}", field="") from None
    if len(encoded) > limits.size:
        raise invalid_filter(f"takes {len(encoded)} bytes, more than {limits.size}; ask in several queries", field="")
    return decode(encoded)
