"""What filters match, operator by operator. That MongoDB agrees is what `tests/conformance/query` shows."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from bson import Binary, Code, DatetimeMS, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from flowcept_service.query import compile_filter

DAY = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
LATER = DAY + dt.timedelta(milliseconds=1)
NAN = float("nan")


def matches(filter: dict[str, Any], document: dict[str, Any]) -> bool:
    return compile_filter(filter)(document)


YES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"a": 1}),
    ({"a": 1}, {"a": 1.0}),
    ({"a": 1}, {"a": Int64(1)}),
    ({"a": Decimal128("1.0")}, {"a": 1}),
    ({"a": NAN}, {"a": NAN}),
    ({"a": 0.0}, {"a": -0.0}),
    ({"a": "x"}, {"a": ["y", "x"]}),
    ({"a": ["y", "x"]}, {"a": ["y", "x"]}),
    ({"a": ["y"]}, {"a": [["y"], 1]}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 2.0}}),
    ({"a": {}}, {"a": {}}),
    ({"a": None}, {}),
    ({"a": None}, {"a": None}),
    ({"a": None}, {"a": [1, None]}),
    ({"a.b": None}, {"a": 5}),
    ({"a": {"$eq": {"$x": 1}}}, {"a": {"$x": 1}}),
    ({"a.b": 1}, {"a": {"b": 1}}),
    ({"a.b": 1}, {"a": [{"b": 2}, {"b": 1}]}),
    ({"a.1": 5}, {"a": [4, 5]}),
    ({"a.1.b": 5}, {"a": [4, {"b": 5}]}),
    ({"a.1": 5}, {"a": {"1": 5}}),
    ({"a": {"$ne": 1}}, {}),
    ({"a": {"$gt": 1}}, {"a": Decimal128("1.5")}),
    ({"a": {"$gt": 1}}, {"a": [0, 2]}),
    ({"a": {"$gte": NAN}}, {"a": NAN}),
    ({"a": {"$gt": "a"}}, {"a": "b"}),
    ({"a": {"$gt": DAY}}, {"a": LATER}),
    ({"a": {"$lt": DatetimeMS(2**60)}}, {"a": DAY}),
    ({"a": {"$gt": DAY}}, {"a": DatetimeMS(2**60)}),
    ({"a": {"$gt": False}}, {"a": True}),
    ({"a": {"$lt": [2]}}, {"a": [1, 5]}),
    ({"a": {"$lt": {"b": 2}}}, {"a": {"b": 1, "c": 9}}),
    ({"a": {"$gt": b"a"}}, {"a": b"b"}),
    ({"a": {"$gt": Binary(b"b", 0)}}, {"a": Binary(b"a", 5)}),
    ({"a": {"$gt": ObjectId("0" * 24)}}, {"a": ObjectId("0" * 23 + "1")}),
    ({"a": {"$gt": Timestamp(1, 1)}}, {"a": Timestamp(1, 2)}),
    ({"a": {"$gt": MinKey()}}, {"a": "anything"}),
    ({"a": {"$lt": MaxKey()}}, {"a": "anything"}),
    ({"a": {"$gte": None}}, {}),
    ({"a": {"$in": [1, "x"]}}, {"a": "x"}),
    ({"a": {"$in": [1, "x"]}}, {"a": [3, 1.0]}),
    ({"a": {"$in": [None]}}, {}),
    ({"a": {"$in": [re.compile("^x")]}}, {"a": "xy"}),
    ({"a": {"$in": [[1]]}}, {"a": [1]}),
    ({"a": {"$nin": [1]}}, {"a": 2}),
    ({"a": {"$nin": [1]}}, {}),
    ({"a": {"$not": {"$gt": 1}}}, {"a": "x"}),
    ({"a": {"$not": re.compile("x")}}, {"a": 1}),
    ({"a": {"$exists": True}}, {"a": None}),
    ({"a": {"$exists": 0}}, {}),
    ({"a.b": {"$exists": False}}, {"a": [1]}),
    ({"a": {"$type": "int"}}, {"a": 1}),
    ({"a": {"$type": "long"}}, {"a": Int64(1)}),
    ({"a": {"$type": "long"}}, {"a": 2**40}),
    ({"a": {"$type": "number"}}, {"a": Decimal128("1")}),
    ({"a": {"$type": [2, "bool"]}}, {"a": True}),
    ({"a": {"$type": "array"}}, {"a": []}),
    ({"a": {"$type": "string"}}, {"a": [1, "x"]}),
    ({"a": {"$type": -1}}, {"a": MinKey()}),
    ({"a": {"$regex": "^a.c$", "$options": "s"}}, {"a": "a\nc"}),
    ({"a": {"$regex": "B", "$options": "i"}}, {"a": ["x", "abc"]}),
    ({"a": re.compile("^b", re.MULTILINE)}, {"a": "a\nbc"}),
    ({"a": Regex("b")}, {"a": Regex("b")}),
    ({"a": {"$mod": [4, 1]}}, {"a": 9}),
    ({"a": {"$mod": [4, -1]}}, {"a": -9}),
    ({"a": {"$mod": [4.9, 1]}}, {"a": 5.9}),
    ({"a": {"$size": 2}}, {"a": [1, 2]}),
    ({"a": {"$all": [1, 2]}}, {"a": [2, 1, 3]}),
    ({"a": {"$all": [1]}}, {"a": 1}),
    ({"a": {"$all": [{"$elemMatch": {"b": 1}}, {"$elemMatch": {"b": 2}}]}}, {"a": [{"b": 1}, {"b": 2}]}),
    ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, {"a": [0, 2, 5]}),
    ({"a": {"$elemMatch": {"b": 1, "c": 2}}}, {"a": [{"b": 1, "c": 2}]}),
    ({"a": {"$elemMatch": {"$or": [{"b": 1}, {"c": 1}]}}}, {"a": [{"c": 1}]}),
    ({"a": {"$elemMatch": {"$ne": 1}}}, {"a": [1, 2]}),
    ({"a": {"$bitsAllSet": [0, 2]}}, {"a": 5}),
    ({"a": {"$bitsAnySet": 6}}, {"a": 4}),
    ({"a": {"$bitsAllClear": [1]}}, {"a": 5}),
    ({"a": {"$bitsAnyClear": b"\x03"}}, {"a": b"\x01"}),
    ({"a": {"$bitsAllSet": [200]}}, {"a": -1}),
    ({"a": {"$bitsAllSet": [1]}}, {"a": Decimal128("1.6")}),
    ({"a": {"$bitsAllSet": [63]}}, {"a": Decimal128("1E+30")}),
    ({"a": {"$bitsAllSet": [8]}}, {"a": b"\0\1"}),
    ({"a": {"$bitsAllSet": [0, 32]}}, {"a": Binary(b"\1", 2)}),
    ({"a": {"$mod": [Decimal128("4.9"), 1]}}, {"a": Decimal128("5.9")}),
    ({"a": {"$size": Decimal128("1")}}, {"a": [0]}),
    ({"a": {"$exists": Decimal128("0")}}, {}),
    ({"a": {"$type": "javascript"}}, {"a": Code("x")}),
    ({"a": {"$type": "javascriptWithScope"}}, {"a": Code("x", {})}),
    ({"a": {"$type": "decimal"}}, {"a": Decimal128("1")}),
    ({"a": {"$gt": Code("x")}}, {"a": Code("y")}),
    ({"a": {"$in": ["x", re.compile("^y")]}}, {"a": "yz"}),
    ({"a": {"$all": [re.compile("^x"), "y"]}}, {"a": ["xx", "y"]}),
    ({"a": {"$all": [{"$d": 1}]}}, {"a": [{"$d": 1}]}),
    ({"a": {"$elemMatch": {"0": 1}}}, {"a": [[1]]}),
    ({"a": {"$elemMatch": {"$not": {"$gt": 1}, "$exists": True}}}, {"a": [1]}),
    ({"a.0.b": 1}, {"a": [[{"b": 1}]]}),
    ({"a.0.1": 5}, {"a": [[4, 5]]}),
    ({"a.0.b": 7}, {"a": [{"b": 1}, {"0": {"b": 7}}]}),
    ({"$and": [{"a": 1}, {"b": 2}]}, {"a": 1, "b": 2}),
    ({"$or": [{"a": 1}, {"b": 2}]}, {"b": 2}),
    ({"$nor": [{"a": 1}, {"b": 2}]}, {"a": 2}),
    ({"a": 1, "b": {"$gt": 1, "$lt": 3}}, {"a": 1, "b": 2}),
]

NO: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"a": 1}, {"a": True}),
    ({"a": 1}, {"a": "1"}),
    ({"a": 1}, {}),
    ({"a": ["y", "x"]}, {"a": ["x", "y"]}),
    ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}),
    ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}),
    ({"a": None}, {"a": 0}),
    ({"a.b": None}, {"a": []}),
    ({"a.b": None}, {"a": [1]}),
    ({"a.b": 1}, {"a.b": 1}),
    ({"a.0": 1}, {"a": [[1]]}),
    ({"a.01": 5}, {"a": [4, 5]}),
    ({"a": {"$ne": 1}}, {"a": [1, 2]}),
    ({"a": {"$gt": 1}}, {"a": "2"}),
    ({"a": {"$gt": 1}}, {"a": NAN}),
    ({"a": {"$lt": 1}}, {"a": NAN}),
    ({"a": {"$lt": 1}}, {"a": Decimal128("NaN")}),
    ({"a": {"$gt": NAN}}, {"a": 1}),
    ({"a": {"$gte": 0}}, {"a": None}),
    ({"a": {"$gt": DAY}}, {"a": DAY}),
    ({"a": {"$in": []}}, {"a": 1}),
    ({"a": {"$in": ["x"]}}, {"a": 1}),
    ({"a": {"$nin": [None]}}, {}),
    ({"a": {"$exists": True}}, {}),
    ({"a.b": {"$exists": True}}, {"a": []}),
    ({"a": {"$type": "null"}}, {}),
    ({"a": {"$type": "int"}}, {"a": 2**40}),
    ({"a": {"$regex": "^b"}}, {"a": "a\nbc"}),
    ({"a": {"$regex": "1"}}, {"a": 1}),
    ({"a": Regex("b")}, {"a": Regex("b", "i")}),
    ({"a": {"$mod": [4, 1]}}, {"a": "9"}),
    ({"a": {"$mod": [4, 0]}}, {"a": float("inf")}),
    ({"a": {"$size": 2}}, {"a": [[1, 2]]}),
    ({"a": {"$size": 0}}, {"a": None}),
    ({"a": {"$all": []}}, {"a": []}),
    ({"a": {"$all": [1, 4]}}, {"a": [1, 2]}),
    ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, {"a": [0, 5]}),
    ({"a": {"$elemMatch": {"$gt": 1}}}, {"a": 2}),
    ({"a": {"$elemMatch": {"b": 1, "c": 2}}}, {"a": [{"b": 1}, {"c": 2}]}),
    ({"a": {"$bitsAllSet": [0]}}, {"a": 1.5}),
    ({"a": {"$bitsAllSet": [0]}}, {"a": "1"}),
    ({"$nor": [{}]}, {}),
]


@pytest.mark.parametrize(("filter", "document"), YES, ids=str)
def test_filter_matches(filter: dict[str, Any], document: dict[str, Any]) -> None:
    assert matches(filter, document)


@pytest.mark.parametrize(("filter", "document"), NO, ids=str)
def test_filter_does_not_match(filter: dict[str, Any], document: dict[str, Any]) -> None:
    assert not matches(filter, document)


def test_times_compare_as_bson_holds_them_in_milliseconds() -> None:
    assert matches({"a": dt.datetime(2026, 1, 2, 0, 0, 0, 999, tzinfo=dt.UTC)}, {"a": DAY})


def test_naive_times_are_utc() -> None:
    assert matches({"a": dt.datetime(2026, 1, 2)}, {"a": DAY})  # noqa: DTZ001  # the point of the test


def test_tuples_are_arrays() -> None:
    assert matches({"a": {"$in": ("x", "y")}}, {"a": "y"})


def test_a_compiled_filter_does_not_follow_later_changes_of_its_source() -> None:
    values = ["x"]
    compiled = compile_filter({"a": {"$in": values}})
    values.append("y")
    assert not compiled({"a": "y"})
