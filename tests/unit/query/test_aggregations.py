"""Aggregations: the layout of their results, the groups, and the numbers."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

import pytest
from bson import Decimal128, Int64
from hypothesis import given
from hypothesis import strategies as st

from flowcept.errors import Reason, ResourceExhaustedError
from flowcept_service.query import EVERY_DOCUMENT, QueryLimits, parse_query, run, to_pipeline

TASKS: list[dict[str, Any]] = [
    {"_id": 1, "activity_id": "train", "used": {"epoch": 1}, "ended_at": 10.0, "status": "FINISHED"},
    {"_id": 2, "activity_id": "train", "used": {"epoch": 2}, "ended_at": 30.0, "status": "ERROR"},
    {"_id": 3, "activity_id": "test", "used": {"epoch": 5}, "ended_at": 20, "status": "FINISHED"},
    {"_id": 4, "used": {}, "ended_at": None},
]


def aggregate(
    documents: Sequence[dict[str, Any]], *aggregations: tuple[str, str], **query: Any
) -> list[dict[str, Any]]:
    return list(run(parse_query(aggregations=aggregations, **query), documents))


def accumulate(operator: str, values: list[Any]) -> Any:
    (result,) = aggregate([{"v": value} for value in values], (operator, "v"))
    return result[f"{operator}_v"]


def test_without_grouping_there_is_one_result_with_a_null_id() -> None:
    assert aggregate(TASKS, ("avg", "ended_at"), ("max", "used.epoch")) == [
        {"_id": None, "avg_ended_at": 20.0, "max_used_epoch": 5}
    ]


def test_without_documents_there_is_no_group() -> None:
    assert aggregate([], ("avg", "ended_at")) == []


def test_groups_name_the_fields_they_share_behind_the_aggregations() -> None:
    results = aggregate(TASKS, ("avg", "ended_at"), ("count", EVERY_DOCUMENT), group_by=["activity_id"])
    assert results == [
        {"avg_ended_at": 20.0, "count": 2, "activity_id": "train"},
        {"avg_ended_at": 20.0, "count": 1, "activity_id": "test"},
        {"avg_ended_at": None, "count": 1, "activity_id": None},
    ]
    assert list(results[0]) == ["avg_ended_at", "count", "activity_id"]


def test_the_projection_names_the_grouping_field_as_in_flowcept() -> None:
    by_projection = aggregate(TASKS, ("avg", "ended_at"), projection=["activity_id"])
    assert by_projection == aggregate(TASKS, ("avg", "ended_at"), group_by=["activity_id"])


def test_several_fields_can_be_grouped_by() -> None:
    results = aggregate(TASKS, ("count", EVERY_DOCUMENT), group_by=["activity_id", "used.epoch"])
    assert {"count": 1, "activity_id": "train", "used_epoch": 2} in results
    assert {"count": 1, "activity_id": None, "used_epoch": None} in results
    assert len(results) == 4


def test_equal_numbers_of_different_types_are_one_group() -> None:
    documents: list[dict[str, Any]] = [{"g": 1}, {"g": 1.0}, {"g": Int64(1)}, {"g": Decimal128("1")}, {"g": True}]
    assert [result["count"] for result in aggregate(documents, ("count", "*"), group_by=["g"])] == [4, 1]


def test_filter_comes_before_and_sort_skip_and_limit_after() -> None:
    results = aggregate(
        [{"g": number % 4, "v": number} for number in range(100)],
        ("sum", "v"),
        filter={"v": {"$gte": 4}},
        group_by=["g"],
        sort=[("sum_v", -1)],
        skip=1,
        limit=2,
    )
    assert [result["g"] for result in results] == [2, 1]


@pytest.mark.parametrize("name", ["activity_id", "_id"])
def test_results_sort_by_the_grouping_field_under_its_own_name_or_id(name: str) -> None:
    results = aggregate(TASKS, ("count", "*"), group_by=["activity_id"], sort=[(name, -1)])
    assert [result["activity_id"] for result in results] == ["train", "test", None]


def test_count_of_a_field_leaves_out_missing_and_null() -> None:
    assert aggregate(TASKS, ("count", "ended_at"))[0]["count_ended_at"] == 3


def test_arrays_of_documents_give_the_array_of_their_values() -> None:
    documents: list[dict[str, Any]] = [{"l": [{"v": 1}, {"v": 2}, 3, {}]}, {"l": []}]
    assert aggregate(documents, ("max", "l.v"))[0]["max_l_v"] == [1, 2]


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("sum", [1, 2], 3),
        ("sum", [1, 2.5], 3.5),
        ("sum", ["x", None, True], 0),
        ("sum", [0.1] * 10, 1.0),
        ("sum", [2**31 - 1, 1], Int64(2**31)),
        ("sum", [Int64(1)], Int64(1)),
        ("sum", [2**62, 2**62], float(2**63)),
        ("sum", [1, Decimal128("0.1")], Decimal128("1.1")),
        ("sum", [float("inf"), 1], float("inf")),
        ("avg", [1, 2], 1.5),
        ("avg", ["x"], None),
        ("avg", [Decimal128("1"), 2], Decimal128("1.5")),
        ("min", [3, "x", None, 1.5], 1.5),
        ("max", [3, "x", None], "x"),
        ("max", [None], None),
        ("min", [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), True], True),
        ("count", [None, 1, "x"], 2),
    ],
    ids=str,
)
def test_accumulators(operator: str, values: list[Any], expected: Any) -> None:
    result = accumulate(operator, values)
    assert result == expected
    assert type(result) is type(expected)


def test_opposite_infinities_have_no_sum() -> None:
    assert math.isnan(accumulate("sum", [float("inf"), float("-inf")]))


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1))
def test_integers_are_summed_exactly_while_they_fit(values: list[int]) -> None:
    expected = sum(values)
    result = accumulate("sum", list(map(Int64, values)))
    if -(2**63) <= expected < 2**63:
        assert result == expected
    else:  # a double from then on, as MongoDB has it
        assert math.isclose(result, expected, rel_tol=2**-50)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100), min_size=1))
def test_doubles_are_summed_with_their_rounding_errors_carried(values: list[float]) -> None:
    exact = math.fsum(values)
    magnitude = math.fsum(map(abs, values))
    assert abs(accumulate("sum", values) - exact) <= magnitude * 2**-51  # however many values there are


def test_more_groups_than_the_limit_are_refused() -> None:
    query = parse_query(aggregations=[("count", "*")], group_by=["v"])
    documents = [{"v": number} for number in range(11)]
    with pytest.raises(ResourceExhaustedError) as caught:
        list(run(query, documents, limits=QueryLimits(max_groups=10)))
    assert caught.value.reason == Reason.RESULT_TOO_LARGE
    assert len(list(run(query, documents[:10], limits=QueryLimits(max_groups=10)))) == 10


@pytest.mark.parametrize(
    "arguments",
    [
        {"group_by": ["v"], "aggregations": [("count", "*")]},
        {"group_by": ["_id"], "aggregations": [("max", "v")]},
    ],
    ids=str,
)
def test_groups_that_hold_large_values_are_refused(arguments: dict[str, Any]) -> None:
    documents = [{"_id": number, "v": {"text": f"{number:04}" * 250}} for number in range(100)]
    with pytest.raises(ResourceExhaustedError) as caught:
        list(run(parse_query(**arguments), documents, limits=QueryLimits(max_group_bytes=50_000)))
    assert caught.value.reason == Reason.RESULT_TOO_LARGE


def test_a_maximum_that_is_replaced_is_not_held() -> None:
    documents = [{"v": f"{number:04}" * 250} for number in range(100)]
    query = parse_query(aggregations=[("max", "v")])
    (result,) = run(query, documents, limits=QueryLimits(max_group_bytes=5_000))
    assert result["max_v"] == "0099" * 250


def test_mongodb_gets_a_pipeline_that_names_data_never_runs_it() -> None:
    query = parse_query(
        {"status": "$field"},
        aggregations=[("avg", "a.b"), ("count", "*"), ("count", "e")],
        group_by=["c.d"],
        sort=[("c.d", 1)],
        skip=2,
        limit=3,
    )
    present = {"$cond": [{"$in": [{"$type": "$e"}, ["missing", "null", "undefined"]]}, 0, 1]}
    assert to_pipeline(query) == [
        {"$match": {"status": "$field"}},
        {
            "$group": {
                "_id": {"c_d": {"$ifNull": ["$c.d", None]}},
                "avg_a_b": {"$avg": "$a.b"},
                "count": {"$sum": 1},
                "count_e": {"$sum": present},
            }
        },
        {"$project": {"_id": 0, "avg_a_b": 1, "count": 1, "count_e": 1, "c_d": "$_id.c_d"}},
        {"$sort": {"c_d": 1}},
        {"$skip": 2},
        {"$limit": 3},
    ]
