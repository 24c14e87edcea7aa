"""Answers queries: MongoDB evaluates them, unless that would not be exact.

That is so for fields that documents have only here, and for patterns that make its matcher backtrack: it cannot be
interrupted, and gives up after some millions of steps, taking the document for one that does not match.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any, Final, cast

from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from flowcept.errors import InvalidArgumentError, Reason
from flowcept_service.domain.records import INDEXED_FIELDS, Collection
from flowcept_service.query import Query, QueryBudget, backtracks, run_bson, to_find, to_pipeline, within
from flowcept_service.storage.documents import DATA_FIELD
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.raw import documents_in, records_in
from flowcept_service.storage.mongodb._connection.scan import Batches
from flowcept_service.storage.mongodb._payloads.references import VERSIONS

BATCH_DOCUMENTS: Final = 1000
"""Documents in one batch: MongoDB's own first one, of 101, costs most queries a second round trip."""
_REFUSED: Final = frozenset({2, 9, 14, 31249, 31254})
"""What MongoDB answers to a query that it cannot evaluate: a sort by two arrays, say."""
_HIDDEN: Final[Mapping[Collection, frozenset[str]]] = {
    collection: frozenset({"_id", DATA_FIELD}) if collection in VERSIONS else frozenset({"_id"})
    for collection in Collection
}
"""Fields that documents have in MongoDB, and nowhere else: not for a query to see."""


def find(
    database: Database, collection: Collection, query: Query, budget: QueryBudget | None = None
) -> Generator[bytes, None, None]:
    """See ``RecordStore.find``."""
    hidden = _HIDDEN[collection]
    with database.errors():
        if _mentions(query, hidden) or backtracks(query.filter):
            with closing(_narrowed(database, collection, query, hidden, budget)) as documents:
                yield from run_bson(query, within(budget, documents))
            return
        try:
            if query.aggregations:
                yield from _aggregate(database, collection, query, budget)
            else:
                yield from _found(database, collection, query, hidden, budget)
        except OperationFailure as error:
            if error.code not in _REFUSED:
                raise
            reason = (error.details or {}).get("errmsg", "")
            raise InvalidArgumentError(
                f"the query cannot be evaluated over these documents: {reason}", reason=Reason.INVALID_FIELD
            ) from None


def _found(
    database: Database, collection: Collection, query: Query, hidden: frozenset[str], budget: QueryBudget | None
) -> Generator[bytes, None, None]:
    arguments = to_find(query)
    projection = _projection(query, hidden)
    arguments["projection"] = projection
    has_id = projection is None or projection.get("_id") != 0
    split = records_in if has_id else documents_in
    with closing(_batches(database, collection, budget, allow_disk_use=False, **arguments)) as batches:
        for batch in batches:
            yield from split(batch)


def _projection(query: Query, hidden: frozenset[str]) -> dict[str, int] | None:
    """The projection for MongoDB. ``_id`` is left out where that costs nothing, and cut off here elsewhere."""
    wanted = {path: flag for path, flag in query.projection.items() if path != "_id"}
    if any(wanted.values()):
        return {**wanted, "_id": 0}
    wanted.update(dict.fromkeys(hidden - {"_id"}, 0))
    return wanted or None


def _batches(
    database: Database, collection: Collection, budget: QueryBudget | None, **options: Any
) -> Generator[bytes, None, None]:
    """The batches that a find brings, with the arguments of ``Collection.find_raw_batches``."""

    def open_cursor(session: ClientSession, max_time_ms: int | None) -> Batches:
        rows = database.raw[collection.value]
        # The driver's type says documents; these are the bytes of many.
        return cast(
            "Batches",
            rows.find_raw_batches(session=session, max_time_ms=max_time_ms, batch_size=BATCH_DOCUMENTS, **options),
        )

    return database.scans.batches(open_cursor, budget)


def _aggregate(
    database: Database, collection: Collection, query: Query, budget: QueryBudget | None
) -> Generator[bytes, None, None]:
    def open_cursor(session: ClientSession, max_time_ms: int | None) -> Batches:
        options: dict[str, Any] = {} if max_time_ms is None else {"maxTimeMS": max_time_ms}
        rows = database.raw[collection.value]
        return cast("Batches", rows.aggregate_raw_batches(to_pipeline(query), session, allowDiskUse=False, **options))

    with closing(database.scans.batches(open_cursor, budget)) as batches:
        for batch in batches:
            yield from documents_in(batch)


def _narrowed(
    database: Database, collection: Collection, query: Query, hidden: frozenset[str], budget: QueryBudget | None
) -> Generator[bytes, None, None]:
    """The documents that an index finds for the query, or all; as other stores have them."""
    pinned = query.hints.equalities
    wanted = {name: {"$in": sorted(pinned[name])} for name in INDEXED_FIELDS[collection] if name in pinned}
    projection = dict.fromkeys(hidden - {"_id"}, 0) or None
    with closing(_batches(database, collection, budget, filter=wanted, projection=projection)) as batches:
        for batch in batches:
            yield from records_in(batch)


def _mentions(query: Query, hidden: frozenset[str]) -> bool:
    """Whether a query looks at a hidden field. Leaving ``_id`` out of the results is no such look."""
    projected = (path for path, flag in query.projection.items() if flag or path != "_id")
    paths = [*_filtered(query.filter), *projected, *query.group_by, *(item.field for item in query.aggregations)]
    if not query.aggregations:
        paths += [path for path, _ in query.sort]
    return any(path.partition(".")[0] in hidden for path in paths)


def _filtered(filter: Mapping[str, Any]) -> Iterator[str]:
    """The paths that a filter looks at."""
    for name, operand in filter.items():
        if name in {"$and", "$or", "$nor"}:
            for part in operand:
                yield from _filtered(part)
        else:
            yield name
