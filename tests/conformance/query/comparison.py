"""One query, answered by MongoDB and by the engine, and whether the two answers agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson
from bson.errors import InvalidBSON
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from flowcept.errors import InvalidArgumentError, Reason
from flowcept_service.query import CODEC_OPTIONS, Query, decode, order_key, parse_query, run_bson, to_find, to_pipeline


@dataclass(frozen=True, slots=True)
class Case:
    """The arguments of `parse_query`."""

    filter: dict[str, Any] = field(default_factory=dict)
    projection: dict[str, Any] | None = None
    sort: list[tuple[str, int]] = field(default_factory=list)
    skip: int = 0
    limit: int = 0
    aggregations: list[tuple[str, str]] = field(default_factory=list)
    group_by: list[str] = field(default_factory=list)

    def parse(self) -> Query:
        return parse_query(
            self.filter,
            self.projection,
            self.sort,
            skip=self.skip,
            limit=self.limit,
            aggregations=self.aggregations,
            group_by=self.group_by,
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """That a query was refused.

    Attributes:
        message: Why.
        supported: False where the engine declares that it does not support the query.
        while_running: Whether it took a document to refuse the query.
    """

    message: str
    supported: bool = True
    while_running: bool = False


Answer = list[bytes] | Refused


def load(collection: Collection[RawBSONDocument], documents: Sequence[dict[str, Any]]) -> list[bytes]:
    """Store documents; returns them as MongoDB holds them."""
    collection.delete_many({})
    collection.insert_many(
        [RawBSONDocument(bson.encode(document, codec_options=CODEC_OPTIONS)) for document in documents]
    )
    return _encoded(collection.find())


def difference(
    collection: Collection[RawBSONDocument], documents: Sequence[bytes], case: Case, *, translated: bool = False
) -> str | None:
    """What differs between MongoDB's answer and the engine's, or None.

    Args:
        collection: Where MongoDB has the documents.
        documents: The documents, in MongoDB's order.
        case: The query.
        translated: Whether MongoDB gets what the engine makes of the query (`to_find`) rather than the query itself.
    """
    ours = _of_engine(documents, case)
    if translated and isinstance(ours, Refused) and not ours.while_running:
        return None
    theirs = _of_mongodb(collection, case, translated=translated)
    if isinstance(ours, Refused):
        if isinstance(theirs, Refused) or not ours.supported:
            return None
        return f"the engine refuses ({ours.message}), MongoDB answers"
    if isinstance(theirs, Refused):
        return f"MongoDB refuses ({theirs.message}), the engine answers"
    if case.aggregations:
        return _different(sorted(map(_comparable_group, ours)), sorted(map(_comparable_group, theirs)))
    return _different(ours, theirs)


def _comparable_group(result: bytes) -> list[tuple[str, Any]]:
    """A group without what MongoDB leaves open: the order of fields, and which of equal values it shows."""
    exact = ("sum_", "avg_", "count_")
    return sorted(
        (name, (type(value).__name__, str(value)) if name.startswith(exact) else ("", order_key(value)))
        for name, value in decode(result).items()
    )


def _different(ours: list[Any], theirs: list[Any]) -> str | None:
    if ours == theirs:
        return None
    extra = [_readable(item) for item in ours if item not in theirs]
    lacking = [_readable(item) for item in theirs if item not in ours]
    if extra or lacking:
        return f"only the engine answers {extra[:3]}; only MongoDB answers {lacking[:3]}"
    return f"another order: the engine {list(map(_readable, ours[:5]))}, MongoDB {list(map(_readable, theirs[:5]))}"


def _readable(item: Any) -> Any:
    return decode(item) if isinstance(item, bytes) else item


def _of_engine(documents: Sequence[bytes], case: Case) -> Answer:
    try:
        query = case.parse()
    except InvalidArgumentError as error:
        declared = error.reason == Reason.UNSUPPORTED_OPERATOR or "no empty part" in error.message
        return Refused(error.message, supported=not declared)
    try:
        return list(run_bson(query, documents))
    except InvalidArgumentError as error:
        return Refused(error.message, while_running=True)


def _of_mongodb(collection: Collection[RawBSONDocument], case: Case, *, translated: bool) -> Answer:
    try:
        if case.aggregations:
            return _encoded(collection.aggregate(to_pipeline(case.parse())))
        if translated:
            return _encoded(collection.find(**to_find(case.parse())))
        return _encoded(
            collection.find(case.filter, case.projection, sort=case.sort or None, skip=case.skip, limit=case.limit)
        )
    except OperationFailure as error:
        return Refused(str(error.details and error.details.get("errmsg")))
    except InvalidBSON as error:  # MongoDB cuts a quoted value in the middle of a character
        return Refused(str(error))


def _encoded(documents: Iterable[RawBSONDocument]) -> list[bytes]:
    return [bytes(document.raw) for document in documents]
