"""A query: validated once, compiled once, run over any number of documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowcept_service.query._aggregate import Aggregation, checked_aggregations, output_name
from flowcept_service.query._errors import invalid_field
from flowcept_service.query._fields import checked_path
from flowcept_service.query._filter import compile_normalized
from flowcept_service.query._hints import Hints, equality_hints
from flowcept_service.query._normalize import DEFAULT_FILTER_LIMITS, FilterLimits, normalized_filter
from flowcept_service.query._paths import DocumentPredicate
from flowcept_service.query._projection import Projection, checked_projection, compile_projection
from flowcept_service.query._sort import SortKey, SortSpecification, checked_sort, sort_key


@dataclass(frozen=True, slots=True)
class Query:
    """A valid query. Made by `parse_query`; the fields below ``group_by`` are compiled from those above.

    Attributes:
        filter: The filter as BSON carries it; ``{}`` for all documents.
        projection: ``{path: 1 or 0}``; ``{}`` for whole documents and with aggregations.
        sort: Pairs of path and direction (1 or -1). With aggregations, the paths are names of result fields.
        skip: How many of the first results are left out.
        limit: How many results are wanted; 0 for all.
        aggregations: Accumulators, if the results are groups.
        group_by: Field paths that make the groups; none for one group of everything.
        matches: Whether a document, as `decode` gives it, meets the filter.
        project: What the projection makes of a document; None for whole documents.
        sort_key: The keys of a document (of a result, with aggregations); None without a sort.
        hints: What the filter pins, for secondary indexes.
    """

    filter: Mapping[str, Any]
    projection: Mapping[str, int]
    sort: SortSpecification
    skip: int
    limit: int
    aggregations: tuple[Aggregation, ...]
    group_by: tuple[str, ...]
    matches: DocumentPredicate = field(repr=False, compare=False)
    project: Projection | None = field(repr=False, compare=False)
    sort_key: SortKey | None = field(repr=False, compare=False)
    hints: Hints = field(repr=False, compare=False)


def parse_query(
    filter: Mapping[str, Any] | None = None,
    projection: Mapping[str, Any] | Sequence[str] | None = None,
    sort: Iterable[tuple[str, int]] | None = None,
    *,
    skip: int = 0,
    limit: int = 0,
    aggregations: Iterable[tuple[str, str]] | None = None,
    group_by: Sequence[str] | None = None,
    limits: FilterLimits = DEFAULT_FILTER_LIMITS,
) -> Query:
    """Validate and compile a query.

    Args:
        filter: Mongo-style filter; see `compile_filter`.
        projection: Paths to include, or a mapping; see `checked_projection`. With aggregations and no ``group_by``, the
            included paths are what is grouped by, as Flowcept 0.10 has it.
        sort: Pairs of path and direction. With aggregations, of result fields (``avg_ended_at``, the grouping fields).
        skip: Results to leave out, zero or more.
        limit: Results wanted; 0 for all.
        aggregations: Pairs of operator (``avg sum min max count``) and field path; see `aggregate`.
        group_by: Field paths to group by; only with aggregations.
        limits: How large the filter may be.

    Raises:
        InvalidArgumentError: reason ``INVALID_FILTER``, ``UNSUPPORTED_OPERATOR`` or ``INVALID_FIELD``.
    """
    normalized = normalized_filter(filter if filter is not None else {}, limits)
    flat = checked_projection(projection)
    grouping = tuple(checked_path("group_by", path) for path in group_by or ())
    accumulators = tuple(aggregations or ())
    if accumulators and flat:
        if grouping or 0 in (flag for path, flag in flat.items() if path != "_id"):
            raise invalid_field("projection", "with aggregations it names the fields to group by, once", projection)
        grouping = tuple(path for path, flag in flat.items() if flag)
        flat = {}
    if grouping and not accumulators:
        raise invalid_field("group_by", "needs at least one aggregation", list(grouping))
    checked = checked_aggregations(accumulators, grouping)
    ordering = checked_sort(sort or ())
    if checked:
        ordering = _sort_of_results(ordering, checked, grouping)
    return Query(
        filter=normalized,
        projection=flat,
        sort=ordering,
        skip=_checked_count("skip", skip),
        limit=_checked_count("limit", limit),
        aggregations=checked,
        group_by=grouping,
        matches=compile_normalized(normalized),
        project=compile_projection(flat),
        sort_key=sort_key(ordering) if ordering else None,
        hints=equality_hints(normalized),
    )


def _checked_count(argument: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise invalid_field(argument, "needs a whole number, zero or more", value)
    return value


def _sort_of_results(
    sort: SortSpecification, aggregations: Sequence[Aggregation], group_by: Sequence[str]
) -> SortSpecification:
    """The sort in the names that the results have; ``_id`` and the path of a grouping field stand for that field."""
    names = {item.output: item.output for item in aggregations}
    names.update((path, output_name(path)) for path in group_by)
    names.update((output_name(path), output_name(path)) for path in group_by)
    if len(group_by) < 2:
        names["_id"] = output_name(group_by[0]) if group_by else "_id"
    for path, _ in sort:
        if path not in names:
            raise invalid_field("sort", f"the results have the fields {', '.join(sorted(set(names.values())))}", path)
    return checked_sort((names[path], direction) for path, direction in sort)
