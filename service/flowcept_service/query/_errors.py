"""The refusals of the query engine, all `InvalidArgumentError`; and the bounds that it documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from flowcept.errors import InvalidArgumentError, Reason, shorten

MAX_FILTER_DEPTH: Final = 50
"""Levels of documents and arrays that a filter may nest."""

MAX_FILTER_BYTES: Final = 1024 * 1024
"""Size of a filter as BSON, in bytes: room for about 20,000 identifiers in one ``$in``."""

MAX_FILTER_PATTERNS: Final = 32
"""Regular expressions in one filter; each may take some MiB of memory while it is used."""

MAX_FILTER_CLAUSES: Final = 1_000
"""Field names and operators in one filter, all levels together; bounds the work for one document."""

MAX_PATH_DEPTH: Final = 100
"""Components of one dotted path."""

FIELD_OPERATORS: Final = frozenset(
    {
        "$eq",
        "$ne",
        "$gt",
        "$gte",
        "$lt",
        "$lte",
        "$in",
        "$nin",
        "$not",
        "$exists",
        "$type",
        "$regex",
        "$options",
        "$mod",
        "$size",
        "$all",
        "$elemMatch",
        "$bitsAllSet",
        "$bitsAllClear",
        "$bitsAnySet",
        "$bitsAnyClear",
    }
)
"""Operators on a field."""

LOGICAL_OPERATORS: Final = frozenset({"$and", "$or", "$nor"})
"""Operators on whole filters."""

UNSUPPORTED_OPERATORS: Final[Mapping[str, str]] = {
    "$where": "it runs code",
    "$function": "it runs code",
    "$accumulator": "it runs code",
    "$expr": "aggregation expressions are not evaluated",
    "$jsonSchema": "schemas are not evaluated; use $type and $exists",
    "$text": "there is no text index; use $regex",
    "$search": "there is no text index; use $regex",
    "$near": "there is no geospatial index",
    "$nearSphere": "there is no geospatial index",
    "$geoWithin": "there is no geospatial index",
    "$geoIntersects": "there is no geospatial index",
    "$geoNear": "there is no geospatial index",
    "$within": "there is no geospatial index",
    "$maxDistance": "there is no geospatial index",
    "$minDistance": "there is no geospatial index",
    "$comment": "a comment has no effect; leave it out",
    "$sampleRate": "its answer is random",
    "$rand": "its answer is random",
    "$alwaysTrue": "use an empty filter",
    "$alwaysFalse": "use {'$nor': [{}]}",
    "$ref": "to compare with a reference, use $eq with the whole reference",
    "$id": "to compare with a reference, use $eq with the whole reference",
    "$db": "to compare with a reference, use $eq with the whole reference",
}
"""MongoDB's query operators that every store refuses, with the reason or what to use in their place."""


def invalid_filter(
    problem: str, *, field: str, operator: str = "", value: object = None, reason: Reason = Reason.INVALID_FILTER
) -> InvalidArgumentError:
    """A filter that is malformed: ``problem`` says what is wrong and what to do about it."""
    where = f" of field {shorten(field)}" if field else ""
    what = f"{operator}{where}" if operator else (f"the condition{where}" if where else "the filter")
    shown = "" if value is None else f" (got {shorten(value)})"
    return InvalidArgumentError(
        f"Invalid filter: {what}: {problem}{shown}.",
        reason=reason,
        field=field,
        operator=operator,
        value=shorten(value),
    )


def unsupported_operator(operator: str, *, field: str, logical: bool) -> InvalidArgumentError:
    """An operator that is unknown or that no store evaluates."""
    where = f" on field {shorten(field)}" if field else ""
    allowed = LOGICAL_OPERATORS if logical else FIELD_OPERATORS
    if operator in FIELD_OPERATORS | LOGICAL_OPERATORS:
        why = (
            "it belongs on a field"
            if operator in FIELD_OPERATORS
            else "it takes whole filters and stands outside a field"
        )
    else:
        why = UNSUPPORTED_OPERATORS.get(operator, "it is not a query operator")
    return InvalidArgumentError(
        f"Operator {shorten(operator)}{where} is not supported here: {why}. Use one of {', '.join(sorted(allowed))}.",
        reason=Reason.UNSUPPORTED_OPERATOR,
        field=field,
        operator=operator,
    )


def invalid_field(argument: str, problem: str, value: object) -> InvalidArgumentError:
    """A projection, sort, aggregation, skip or limit that cannot be used."""
    return InvalidArgumentError(
        f"Invalid {argument}: {problem} (got {shorten(value)}).",
        reason=Reason.INVALID_FIELD,
        field=argument,
        value=shorten(value),
    )
