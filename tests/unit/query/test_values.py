"""The order and equality of BSON values, and what decoding keeps."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any

import bson
import pytest
from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.query import CODEC_OPTIONS, MISSING, decode, order_key

ASCENDING: list[Any] = [
    MinKey(),
    MISSING,
    None,
    float("nan"),
    float("-inf"),
    Decimal128("-1E+6000"),
    -(2**63),
    -1.5,
    0,
    Decimal128("1E-6000"),
    Decimal128("0.1"),
    0.1,
    1,
    2.0**53,
    2**53 + 1,
    float("inf"),
    "",
    "A",
    "a",
    "\uffff",
    "\U00010000",
    {},
    {"b": 1},
    {"a": "x"},
    {"a": "x", "b": 1},
    [],
    [1],
    [1, 0],
    [2],
    b"",
    b"b",
    Binary(b"a", 1),
    b"aa",
    ObjectId("0" * 24),
    ObjectId("f" * 24),
    False,
    True,
    DatetimeMS(-(2**62)),
    dt.datetime(1, 1, 1, tzinfo=dt.UTC),
    dt.datetime(9999, 1, 1, tzinfo=dt.UTC),
    DatetimeMS(2**62),
    Timestamp(0, 5),
    Timestamp(1, 0),
    Regex("a"),
    Regex("a", "i"),
    Code("a"),
    Code("b"),
    Code("a", {}),
    Code("a", {"x": 1}),
    MaxKey(),
]

NAMES = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=2)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.decimals(allow_nan=True, places=2).map(lambda number: Decimal128(str(number)[:30])),
    st.datetimes(timezones=st.just(dt.UTC)),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


@pytest.mark.parametrize(("smaller", "greater"), list(pairwise(ASCENDING)), ids=str)
def test_types_and_values_are_in_bson_order(smaller: Any, greater: Any) -> None:
    assert order_key(smaller) < order_key(greater)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, Int64(1)),
        (1, Decimal128("1.00")),
        (0.0, -0.0),
        (0.5, Decimal128("0.5")),
        (float("nan"), Decimal128("NaN")),
        (float("inf"), Decimal128("Infinity")),
        (b"a", Binary(b"a", 0)),
        (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), DatetimeMS(1767225600000)),
        ({"a": [1]}, {"a": [1.0]}),
    ],
    ids=str,
)
def test_equal_values_have_equal_keys_that_hash_alike(one: Any, other: Any) -> None:
    assert order_key(one) == order_key(other)
    assert hash(order_key(one)) == hash(order_key(other))


@given(VALUES, VALUES, VALUES)
def test_the_order_is_total_and_transitive(one: Any, two: Any, three: Any) -> None:
    first, second, third = sorted(map(order_key, (one, two, three)))
    assert first <= second <= third
    assert first <= third
    assert (first < second) + (first == second) + (first > second) == 1


@given(st.dictionaries(NAMES, VALUES, max_size=3))
def test_decoding_keeps_what_is_encoded(document: dict[str, Any]) -> None:
    data = bson.encode(document, codec_options=CODEC_OPTIONS)
    assert bson.encode(decode(data), codec_options=CODEC_OPTIONS) == data


@pytest.mark.parametrize(
    "reference",
    [
        {"$ref": "a", "$id": 1},
        {"$id": 1, "$ref": "a"},
        {"$ref": "a", "$id": 1, "$db": None},
        {"x": [{"x": 1, "$id": {"$ref": "b", "$id": 2}, "$ref": "a"}]},
    ],
    ids=str,
)
def test_decoding_keeps_references_as_the_documents_they_are(reference: dict[str, Any]) -> None:
    data = bson.encode({"v": reference})
    decoded = decode(data)
    assert decoded == {"v": reference}
    assert not isinstance(decoded["v"], DBRef)
    assert bson.encode(decoded) == data


def test_times_are_aware_and_those_outside_pythons_years_stay_milliseconds() -> None:
    document = {"near": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "far": DatetimeMS(2**60)}
    assert decode(bson.encode(document)) == document


def test_uuids_stay_binary() -> None:
    value = Binary(bytes(16), 4)
    assert decode(bson.encode({"v": value})) == {"v": value}
