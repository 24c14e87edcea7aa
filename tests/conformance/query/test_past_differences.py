"""Queries that the engine once answered otherwise than MongoDB, found by fuzzing; each with documents that tell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Binary, Code, Decimal128, Int64, Regex
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.collection import Collection

from tests.conformance.query.comparison import Case, difference, load


def numbered(values: list[Any]) -> list[dict[str, Any]]:
    return [{"_id": number, "v": value} for number, value in enumerate(values)]


NESTED: list[dict[str, Any]] = [
    {"_id": 1, "a": [[1, 2, {}]]},
    {"_id": 2, "a": [[1], [{"a": False, "b": 3}]]},
    {"_id": 3, "a": [[{"b": 1}], 5]},
    {"_id": 4, "a": [[]]},
    {"_id": 5, "a": []},
    {"_id": 6, "a": [{"b": [1, 2]}, {"0": {"b": 7}}]},
    {"_id": 7},
    {"_id": 8, "a": None},
    {"_id": 9, "a": [[[1], 2]]},
]
LONG_DECIMAL = Decimal128("0.1000000000000000055511151231257827")
NUMBERS = numbered(
    [
        *[0.1, Decimal128("0.1"), LONG_DECIMAL, [0.1, None], float("nan"), -0.0, 0],
        *[Decimal128("NaN"), Decimal128("0.5"), Decimal128("1.5"), Decimal128("1E+6000"), Decimal128("1E-6176")],
        *[
            2**53 + 1,
            float(2**53),
            Int64(-1),
            -1.5,
            float("inf"),
            Decimal128("-Infinity"),
            255,
            b"\xff\x01",
            True,
            None,
        ],
    ]
)
TEXTS = numbered(
    [
        *[
            "a",
            "a\n",
            "a\nb",
            "A",
            "\u017f",
            "\u212a",
            "k",
            "K",
            "s",
            "\u00e9",
            "\u00c9",
            "a b",
            "a\x0bb",
            "",
            "\n",
            "b",
        ],
        *["日", "1", " ", Regex("a", "is"), Regex("a"), Code("a"), Code("a", {"x": 1})],
    ]
)
BINARY = numbered([Binary(b"ab", 2), b"a", b"\x01\0\0\0a"])
CODE = numbered([{"x": Code("b")}, {"x": Code("a", {})}])
REFERENCES = numbered(
    [
        [{"$d": 1}, {"$ref": "a", "$id": 1}],
        {"$id": 1, "$ref": "a", "x": 2},
        {"$ref": "a", "$id": 1, "$db": None},
    ]
)
TIMES: list[dict[str, Any]] = [
    {"_id": 1, "a": [{"b": 3, "c": 1}, {"b": 1, "c": 5}, {"b": 1, "c": 2}]},
    {"_id": 2, "a": {"b": 1, "c": 4}},
    {"_id": 3, "a": [], "t": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
    {"_id": 4, "a": [{"b": []}, {"b": [[2]]}]},
    {"_id": 5, "a": [1, {"b": None}]},
]
MIXED: list[dict[str, Any]] = [
    {"_id": 1, "a": {"b": 1}},
    {"_id": 2, "a": [1, {"b": 2}]},
    {"_id": 3, "a": [{"b": 3}]},
    {"_id": 4, "a": [[5], {"b": 3}]},
]

SUM_AND_AVERAGE = Case(aggregations=[("sum", "v"), ("avg", "v")])

FILTERS: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = [
    ("an array behind an index is traversed: null", NESTED, {"a.0.1": None}),
    ("an array behind an index is traversed: value", NESTED, {"a.1.a": False}),
    ("an array behind an index is traversed: exists", NESTED, {"a.0.b": {"$exists": True}}),
    ("an index behind an index", NESTED, {"a.0.0.0": {"$exists": False, "$eq": None}}),
    ("an index does not traverse its element", NESTED, {"a.0": 1}),
    ("an index is also a field name", NESTED, {"a.0.b": 7}),
    ("no element, no value", NESTED, {"a.b": None}),
    ("decimals compare exactly with doubles: $nin", NUMBERS, {"v": {"$nin": [LONG_DECIMAL]}}),
    ("decimals compare exactly with doubles: $gt", NUMBERS, {"v": {"$gt": LONG_DECIMAL}}),
    ("NaN orders with itself only", NUMBERS, {"v": {"$lte": float("nan")}}),
    ("bits of a decimal are those of its rounded value", NUMBERS, {"v": {"$bitsAllSet": [1]}}),
    ("bits of a decimal out of range", NUMBERS, {"v": {"$bitsAllSet": [63]}}),
    ("bits of binary subtype 2 begin with its length", BINARY, {"v": {"$bitsAllSet": [1]}}),
    ("bits to test in binary subtype 2 begin with its length", BINARY, {"v": {"$bitsAllSet": Binary(b"a", 2)}}),
    ("no bits", NUMBERS, {"v": {"$bitsAllSet": []}}),
    ("$size takes an int32", NUMBERS, {"v": {"$size": 2**53}}),
    ("$all with documents that begin with $", REFERENCES, {"v": {"$all": [{"$d": 1}]}}),
    ("$eq with a reference keeps the order of its fields", REFERENCES, {"v": {"$eq": {"$id": 1, "$ref": "a", "x": 2}}}),
    ("$eq with a reference keeps a null database", REFERENCES, {"v": {"$eq": {"$ref": "a", "$id": 1, "$db": None}}}),
    ("$options null", TEXTS, {"v": {"$regex": "a", "$options": None}}),
    ("$options beside a pattern with options", TEXTS, {"v": {"$regex": Regex("a", "i"), "$options": ""}}),
    ("$options are compared as written", TEXTS, {"v": {"$regex": "a", "$options": "si"}}),
    ("$options are compared as written, in order", TEXTS, {"v": {"$regex": "a", "$options": "is"}}),
    ("$options u changes nothing", TEXTS, {"v": {"$regex": r"^\w$", "$options": "u"}}),
    ("$options unknown", TEXTS, {"v": {"$regex": "a", "$options": "\u00e9"}}),
    ("a comment without end swallows MongoDB's parenthesis", TEXTS, {"v": {"$regex": "a #c", "$options": "x"}}),
    ("a shorthand does not fold its case", TEXTS, {"v": {"$regex": r"\w", "$options": "i"}}),
    ("a shorthand in brackets does not fold its case", TEXTS, {"v": {"$regex": "[[:alpha:]b]", "$options": "i"}}),
    ("a negated shorthand does not fold its case", TEXTS, {"v": {"$regex": r"[^\w ]", "$options": "i"}}),
    ("a Unicode category does not fold its case", TEXTS, {"v": {"$regex": r"\p{Lu}", "$options": "i"}}),
    ("a negated class of category and complement", TEXTS, {"v": {"$regex": r"[^\S\p{Lu}]"}}),
    ("a letter folds its case", TEXTS, {"v": {"$regex": "[s]|k", "$options": "i"}}),
    ("a dollar stands before a last newline", TEXTS, {"v": {"$regex": "a$"}}),
    ("a circumflex does not stand behind a last newline", TEXTS, {"v": {"$regex": "^.", "$options": "ms"}}),
    ("space includes the vertical tab", TEXTS, {"v": {"$regex": r"a\sb"}}),
    ("a class outside brackets", TEXTS, {"v": {"$regex": "[:alpha:]"}}),
    ("code is no string", TEXTS, {"v": "a"}),
    ("code with scope is a type of its own inside documents", CODE, {"v": {"$lt": {"0": Code("a", {"x": 1})}}}),
]
OTHER_QUERIES: list[tuple[str, list[dict[str, Any]], Case]] = [
    ("several keys choose one element", TIMES, Case(sort=[("a.b", 1), ("a.c", -1), ("_id", 1)])),
    ("several keys choose one element, descending", TIMES, Case(sort=[("a.c", -1), ("a.b", 1), ("_id", 1)])),
    ("an empty array sorts before null", TIMES, Case(sort=[("a", 1), ("_id", 1)])),
    ("an index in a sort", NESTED, Case(sort=[("a.0", 1), ("_id", 1)])),
    ("an index that is also a field name in a sort", NESTED, Case(sort=[("a.0.b", 1), ("_id", 1)])),
    ("_id may be named in an exclusion", NESTED, Case(projection={"a.b": 0, "_id": 1})),
    ("_id may be left out of an inclusion", NESTED, Case(projection={"a.b": 1, "_id": 0})),
    ("a field named twice", NESTED, Case(projection={"a.b": 1, "a": {"b": 1}})),
    ("a field and a part of it", NESTED, Case(projection={"a.b": 1, "a": 1})),
    ("inclusion keeps no scalars of arrays", NESTED, Case(projection={"a.b": 1})),
    ("exclusion keeps scalars of arrays", NESTED, Case(projection={"a.b": 0})),
    ("sums of integers that overflow", numbered([2**62] * 3), Case(aggregations=[("sum", "v")])),
    (
        "sums that overflow on the way",
        numbered([1e308, 1e308, -1e308, -1e308]),
        SUM_AND_AVERAGE,
    ),
    ("sums with errors that the last value hides", numbered([1.0, 0.3, 1e16, 1.0, 1e16]), SUM_AND_AVERAGE),
    ("sums of int32 and doubles", numbered([0.3, -1, 2, -1]), SUM_AND_AVERAGE),
    ("sums of int64 and doubles", numbered([-1e16, 0.1, 2**53 + 1]), SUM_AND_AVERAGE),
    (
        "averages of integers whose sum a double cannot hold on the way",
        numbered([-(2**63), 2**63 - 1]),
        SUM_AND_AVERAGE,
    ),
    ("sums of decimals and an infinity", numbered([Decimal128("1"), 1e308, float("-inf")]), SUM_AND_AVERAGE),
    ("sums with infinities", NUMBERS[4:6] + NUMBERS[16:17], Case(aggregations=[("sum", "v"), ("avg", "v")])),
    ("missing and null are one group", NESTED, Case(aggregations=[("count", "_id")], group_by=["a", "b"])),
    ("aggregations of arrays", NESTED, Case(aggregations=[("max", "a.b"), ("min", "a.b"), ("avg", "a.b")])),
]


@pytest.fixture(scope="module")
def collection(mongodb_uri: str) -> Iterator[Collection[RawBSONDocument]]:
    with MongoClient(mongodb_uri, document_class=RawBSONDocument) as client:
        yield client["query_differences"]["documents"]
        client.drop_database("query_differences")


@pytest.mark.parametrize(("documents", "filter"), [case[1:] for case in FILTERS], ids=[case[0] for case in FILTERS])
def test_filter_is_answered_as_mongodb_answers_it(
    collection: Collection[RawBSONDocument], documents: list[dict[str, Any]], filter: dict[str, Any]
) -> None:
    assert difference(collection, load(collection, documents), Case(filter)) is None


@pytest.mark.parametrize(
    ("documents", "case"), [case[1:] for case in OTHER_QUERIES], ids=[case[0] for case in OTHER_QUERIES]
)
def test_query_is_answered_as_mongodb_answers_it(
    collection: Collection[RawBSONDocument], documents: list[dict[str, Any]], case: Case
) -> None:
    assert difference(collection, load(collection, documents), case) is None


@pytest.mark.parametrize("path", ["a.b", "a.0"])
def test_mongodb_is_kept_from_sorting_what_a_projection_left_over(
    collection: Collection[RawBSONDocument], path: str
) -> None:
    documents = load(collection, MIXED)
    case = Case(projection={path: 1}, sort=[(path, 1), ("_id", 1)])
    assert difference(collection, documents, case, translated=True) is None
