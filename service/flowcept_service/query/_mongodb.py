"""A query in MongoDB's own words, for a store that lets MongoDB evaluate it. The engine gives the same answers."""

from __future__ import annotations

from typing import Any, Final

from flowcept_service.query._aggregate import EVERY_DOCUMENT, Aggregation, output_name
from flowcept_service.query._query import Query

_INT64_MAX: Final = 2**63 - 1


def to_find(query: Query) -> dict[str, Any]:
    """The keyword arguments of ``Collection.find``: ``filter``, ``projection``, ``sort``, ``skip``, ``limit``.

    The query has no aggregations.
    """
    limit = query.limit
    if query.sort and query.projection and not limit:
        # Without a limit, MongoDB 6.0 projects before it sorts, and so sorts by what is left of the fields: with the
        # projection {"a.b": 1}, {"a": [1, {"b": 2}]} would sort by 2 and no more by null.
        limit = _INT64_MAX - query.skip
    return {
        "filter": dict(query.filter),
        "projection": dict(query.projection) or None,
        "sort": list(query.sort) or None,
        "skip": query.skip,
        "limit": limit,
    }


def to_pipeline(query: Query) -> list[dict[str, Any]]:
    """The pipeline for ``Collection.aggregate`` of a query with aggregations."""
    # A missing field and null make one group; MongoDB would keep them apart in a compound _id.
    identity: Any = {output_name(path): {"$ifNull": [f"${path}", None]} for path in query.group_by} or None
    group = {"_id": identity, **{item.output: _accumulator(item) for item in query.aggregations}}
    pipeline: list[dict[str, Any]] = [{"$match": dict(query.filter)}, {"$group": group}]
    if query.group_by:
        outputs: dict[str, Any] = {item.output: 1 for item in query.aggregations}
        outputs.update((output_name(path), f"$_id.{output_name(path)}") for path in query.group_by)
        pipeline.append({"$project": {"_id": 0, **outputs}})
    if query.sort:
        pipeline.append({"$sort": dict(query.sort)})
    if query.skip:
        pipeline.append({"$skip": query.skip})
    if query.limit:
        pipeline.append({"$limit": query.limit})
    return pipeline


def _accumulator(item: Aggregation) -> dict[str, Any]:
    if item.field == EVERY_DOCUMENT:
        return {"$sum": 1}
    if item.operator == "count":
        absent = {"$in": [{"$type": f"${item.field}"}, ["missing", "null", "undefined"]]}
        return {"$sum": {"$cond": [absent, 0, 1]}}
    return {f"${item.operator}": f"${item.field}"}
