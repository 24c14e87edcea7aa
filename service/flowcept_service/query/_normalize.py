"""Brings a caller's mapping into the engine's own types, within the documented bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson
from bson.errors import BSONError

from flowcept_service.query._errors import (
    MAX_FILTER_BYTES,
    MAX_FILTER_CLAUSES,
    MAX_FILTER_DEPTH,
    invalid_filter,
)
from flowcept_service.query._values import CODEC_OPTIONS, decode


def normalized_filter(filter: Mapping[str, Any]) -> dict[str, Any]:
    """The filter as BSON would carry it: tuples are lists, compiled patterns are ``Regex``, times have milliseconds.

    Raises:
        InvalidArgumentError: reason ``INVALID_FILTER``: not a mapping, not encodable, too deep, too large.
    """
    if not isinstance(filter, Mapping):
        raise invalid_filter("must be a document", field="", value=filter)
    if _measure(filter, 1) > MAX_FILTER_CLAUSES:
        raise invalid_filter(f"has more than {MAX_FILTER_CLAUSES} fields and operators; split the query", field="")
    try:
        encoded = bson.encode(filter, codec_options=CODEC_OPTIONS)
    except (BSONError, TypeError, ValueError, OverflowError) as error:
        raise invalid_filter(f"holds a value that BSON cannot encode: {error}", field="") from None
    if len(encoded) > MAX_FILTER_BYTES:
        raise invalid_filter(
            f"takes {len(encoded)} bytes, more than {MAX_FILTER_BYTES}; ask in several queries", field=""
        )
    return decode(encoded)


def _measure(value: Any, depth: int) -> int:
    """The number of field names and operators inside; refuses what nests too deep (and so what contains itself)."""
    if depth > MAX_FILTER_DEPTH:
        raise invalid_filter(f"nests more than {MAX_FILTER_DEPTH} levels", field="")
    if isinstance(value, Mapping):
        return len(value) + sum(_measure(item, depth + 1) for item in value.values())
    if isinstance(value, list | tuple):
        return sum(_measure(item, depth + 1) for item in value if isinstance(item, Mapping | list | tuple))
    return 0
