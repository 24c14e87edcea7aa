"""Queries, from the wire to the query engine."""

from __future__ import annotations

from dataclasses import replace

from flowcept.errors import InvalidArgumentError, Reason
from flowcept.v1.provenance_service_pb2 import AggregationOperator, DeleteRecordsRequest, QueryRequest
from flowcept.v1.provenance_service_pb2 import Collection as WireCollection
from flowcept_service.domain.campaigns import Campaigns, campaign_denied, permits
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.domain.records import Collection
from flowcept_service.query import EVERY_DOCUMENT, FilterLimits, Query, parse_query
from flowcept_service.rpc.provenance_documents import plain_document

_COLLECTIONS = {WireCollection.Value(f"COLLECTION_{collection.name}"): collection for collection in Collection}
_UNLIMITED = FilterLimits(depth=90, clauses=1 << 30, patterns=1 << 30, size=8 << 20)
"""For filters that were checked already; as deep as every store can do."""
_COUNT = AggregationOperator.AGGREGATION_OPERATOR_COUNT


def collection_of(request: QueryRequest) -> Collection:
    """The collection that is queried. Raises InvalidArgumentError (INVALID_FIELD)."""
    collection = _COLLECTIONS.get(request.collection)
    if collection is None:
        raise InvalidArgumentError(
            f"collection is {request.collection}, which names no collection; set one of "
            f"{', '.join(item.name for item in Collection)}",
            field="collection",
            value=request.collection,
        )
    return collection


def query_of(request: QueryRequest, campaigns: Campaigns, limits: FilterLimits) -> Query:
    """The query, of what belongs to some campaigns.

    Raises:
        InvalidArgumentError: with the reasons of ``parse_query``, and INVALID_DOCUMENT.
    """
    query = _query_of(request, limits)
    if campaigns is None:
        return query
    # Behind the query's own check, so that its errors name the fields that the caller gave, and so do its limits.
    confined = parse_query({"$and": [{"campaign_id": {"$in": sorted(campaigns)}}, query.filter]}, limits=_UNLIMITED)
    return replace(query, filter=confined.filter, matches=confined.matches, hints=confined.hints)


def _query_of(request: QueryRequest, limits: FilterLimits) -> Query:
    return parse_query(
        filter=plain_document(request.filter, "filter"),
        projection=plain_document(request.projection, "projection"),
        sort=[(key.field, -1 if key.descending else 1) for key in request.sort],
        skip=request.skip,
        limit=request.limit,
        aggregations=[
            (_operator_name(item.operator), item.field or (EVERY_DOCUMENT if item.operator == _COUNT else ""))
            for item in request.aggregations
        ],
        group_by=list(request.group_by),
        limits=limits,
    )


def deletion_of(request: DeleteRecordsRequest, campaigns: Campaigns) -> tuple[str, str, Campaigns]:
    """The field by which to delete, its value, and the campaigns to which the deletion keeps.

    Raises:
        InvalidArgumentError: INVALID_FIELD, INVALID_IDENTIFIER.
        PermissionDeniedError: CAMPAIGN_DENIED, for another campaign.
    """
    selector = request.WhichOneof("selector")
    if selector is None:
        raise InvalidArgumentError(
            "nothing says what to delete; set workflow_id or campaign_id", reason=Reason.INVALID_FIELD, field="selector"
        )
    value = check_identifier(selector, getattr(request, selector))
    if selector == "campaign_id" and not permits(campaigns, value):
        raise campaign_denied(value)
    return selector, value, campaigns


def _operator_name(operator: int) -> str:
    try:
        return AggregationOperator.Name(operator).removeprefix("AGGREGATION_OPERATOR_").lower()
    except ValueError:
        return f"number {operator}"  # which the query engine refuses, like any other name that it does not know
