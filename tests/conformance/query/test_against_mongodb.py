"""The engine and a real MongoDB answer random queries over random documents alike, or both refuse them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from bson import Code, MaxKey, MinKey
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection

from tests.conformance.query.comparison import Case, difference, load
from tests.conformance.query.generators import OTHERS, QueryGenerator

DOCUMENTS = 40
CASES_PER_LOAD = 100

# MongoDB 6.0 turns code into a string and wraps MinKey and MaxKey into documents when it groups; other versions do not.
GROUPABLE = [value for value in OTHERS if not isinstance(value, Code | MinKey | MaxKey)]


@pytest.fixture(scope="module")
def collection(mongodb_uri: str) -> Iterator[Collection[RawBSONDocument]]:
    with MongoClient(mongodb_uri, document_class=RawBSONDocument) as client:
        yield client["query_conformance"]["documents"]
        client.drop_database("query_conformance")


def _filter(draw: QueryGenerator) -> Case:
    return Case(draw.filter())


def _sort(draw: QueryGenerator) -> Case:
    return Case(sort=_decided(draw.sort()), skip=draw.random.choice((0, 0, 3)), limit=draw.random.choice((0, 0, 1, 7)))


def _projection(draw: QueryGenerator) -> Case:
    return Case(projection=draw.projection())


def _aggregation(draw: QueryGenerator) -> Case:
    return Case(_light_filter(draw), aggregations=draw.aggregations(), group_by=draw.group_by())


def _everything(draw: QueryGenerator) -> Case:
    return Case(
        _light_filter(draw),
        projection=draw.projection(),
        sort=_decided(draw.sort()),
        skip=draw.random.choice((0, 0, 3)),
        limit=draw.random.choice((0, 0, 1, 7)),
    )


def _light_filter(draw: QueryGenerator) -> dict[str, Any]:
    return {draw.random.choice(["a", "b", "c"]): {draw.random.choice(["$exists", "$ne"]): 1}}


def _decided(sort: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """With `_id` last, so that only one order is right."""
    return [(path, direction) for path, direction in sort if path != "_id"] + [("_id", 1)]


@pytest.mark.parametrize(
    ("draw_case", "cases"),
    [(_filter, 1500), (_sort, 500), (_projection, 400), (_aggregation, 400), (_everything, 300)],
    ids=["filters", "sorts", "projections", "aggregations", "whole queries"],
)
def test_random_queries_are_answered_as_mongodb_answers_them(
    collection: Collection[RawBSONDocument], draw_case: Callable[[QueryGenerator], Case], cases: int
) -> None:
    translated = draw_case is _everything
    values = GROUPABLE if draw_case is _aggregation else OTHERS
    differences: list[str] = []
    for load_number in range(cases // CASES_PER_LOAD):
        draw = QueryGenerator(Random(f"{draw_case.__name__} {load_number}"), others=values)
        documents = load(collection, [draw.top_document(number) for number in range(DOCUMENTS)])
        for _ in range(CASES_PER_LOAD):
            case = draw_case(draw)
            found = difference(collection, documents, case, translated=translated)
            if found is not None:
                differences.append(f"{case}: {found}")
    assert differences == []
