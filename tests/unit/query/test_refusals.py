"""What the engine refuses, and that the refusal says what, where and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Regex

from flowcept.errors import InvalidArgumentError, Reason
from flowcept_service.query import (
    MAX_FILTER_BYTES,
    MAX_FILTER_CLAUSES,
    MAX_FILTER_DEPTH,
    UNSUPPORTED_OPERATORS,
    compile_filter,
    parse_query,
)

DEEP: dict[str, Any] = {"a": 1}
for _ in range(MAX_FILTER_DEPTH):
    DEEP = {"$and": [DEEP]}
ENDLESS: dict[str, Any] = {}
ENDLESS["a"] = ENDLESS


def refusal(**arguments: Any) -> InvalidArgumentError:
    with pytest.raises(InvalidArgumentError) as caught:
        parse_query(**arguments)
    return caught.value


@pytest.mark.parametrize("operator", sorted(UNSUPPORTED_OPERATORS))
def test_operators_that_no_store_evaluates_are_named_with_the_field(operator: str) -> None:
    error = refusal(filter={"used.x": {operator: 1}})
    assert error.reason == Reason.UNSUPPORTED_OPERATOR
    assert error.metadata == {"field": "used.x", "operator": operator}
    assert operator in str(error)
    assert "used.x" in str(error)
    assert "Use one of $all" in str(error)


@pytest.mark.parametrize("operator", ["$where", "$expr", "$function", "$jsonSchema", "$text", "$eq", "$not", "$x"])
def test_operators_that_cannot_stand_outside_a_field_are_named(operator: str) -> None:
    error = refusal(filter={operator: "sleep(1000)"})
    assert error.reason == Reason.UNSUPPORTED_OPERATOR
    assert error.metadata["operator"] == operator


@pytest.mark.parametrize("where", [lambda f: {"$or": [f]}, lambda f: {"x": {"$elemMatch": f}}], ids=["or", "elemMatch"])
def test_operators_that_run_code_are_found_at_every_depth(where: Any) -> None:
    assert refusal(filter=where({"$where": "1"})).metadata["operator"] == "$where"


@pytest.mark.parametrize(
    ("filter", "operator"),
    [
        ({"a": {"$in": 1}}, "$in"),
        ({"a": {"$in": [{"$gt": 1}]}}, "$in"),
        ({"a": {"$nin": "x"}}, "$nin"),
        ({"a": {"$gt": Regex("x")}}, "$gt"),
        ({"a": {"$ne": Regex("x")}}, "$ne"),
        ({"a": {"$not": 1}}, "$not"),
        ({"a": {"$not": {}}}, "$not"),
        ({"a": {"$type": "text"}}, "$type"),
        ({"a": {"$type": []}}, "$type"),
        ({"a": {"$type": 0}}, "$type"),
        ({"a": {"$type": 1.5}}, "$type"),
        ({"a": {"$mod": [0, 1]}}, "$mod"),
        ({"a": {"$mod": [2]}}, "$mod"),
        ({"a": {"$mod": [2, float("inf")]}}, "$mod"),
        ({"a": {"$size": -1}}, "$size"),
        ({"a": {"$size": 1.5}}, "$size"),
        ({"a": {"$size": "1"}}, "$size"),
        ({"a": {"$all": 1}}, "$all"),
        ({"a": {"$all": [{"$gt": 1}]}}, "$all"),
        ({"a": {"$all": [{"$elemMatch": {}}, 1]}}, "$all"),
        ({"a": {"$elemMatch": 1}}, "$elemMatch"),
        ({"a": {"$regex": 1}}, "$regex"),
        ({"a": {"$regex": "("}}, "$regex"),
        ({"a": {"$options": "i"}}, "$options"),
        ({"a": {"$regex": "a", "$options": "g"}}, "$options"),
        ({"a": {"$regex": Regex("a", "i"), "$options": "m"}}, "$options"),
        ({"a": {"$bitsAllSet": -1}}, "$bitsAllSet"),
        ({"a": {"$bitsAllSet": [10**6]}}, "$bitsAllSet"),
        ({"a": {"$bitsAllSet": "x"}}, "$bitsAllSet"),
        ({"$and": []}, "$and"),
        ({"$or": {"a": 1}}, "$or"),
        ({"$nor": [1]}, "$nor"),
    ],
    ids=str,
)
def test_operands_of_the_wrong_kind_name_their_operator(filter: dict[str, Any], operator: str) -> None:
    error = refusal(filter=filter)
    assert error.reason == Reason.INVALID_FILTER
    assert error.metadata["operator"] == operator


def test_an_unknown_operator_beside_a_known_one_is_named() -> None:
    assert refusal(filter={"a": {"$gt": 1, "size": 2}}).metadata["operator"] == "size"


@pytest.mark.parametrize("path", ["", "a.", ".a", "a..b"])
def test_paths_with_an_empty_part_are_refused_because_mongodb_crashes_on_some(path: str) -> None:
    assert refusal(filter={path: {"$elemMatch": {"b": 1}}}).reason == Reason.INVALID_FIELD


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        (DEEP, f"more than {MAX_FILTER_DEPTH} levels"),
        (ENDLESS, f"more than {MAX_FILTER_DEPTH} levels"),
        ({"$or": [{"a": 1}] * MAX_FILTER_CLAUSES}, f"more than {MAX_FILTER_CLAUSES} fields"),
        ({"a": "x" * MAX_FILTER_BYTES}, f"more than {MAX_FILTER_BYTES}"),
        ({"a": object()}, "cannot encode"),
        ({"a": 2**64}, "cannot encode"),
        ({1: 1}, "cannot encode"),
        ({"a\0b": 1}, "cannot encode"),
        ([], "must be a document"),
    ],
    ids=["depth", "cycle", "clauses", "bytes", "type", "range", "name", "null character", "list"],
)
def test_filters_beyond_the_bounds_say_which_bound(filter: Any, message: str) -> None:
    error = refusal(filter=filter)
    assert error.reason == Reason.INVALID_FILTER
    assert message in str(error)


def test_a_long_path_is_refused() -> None:
    assert refusal(filter={".".join("a" * 101): 1}).reason == Reason.INVALID_FILTER


def test_a_large_list_of_identifiers_is_within_the_bounds() -> None:
    matches = compile_filter({"a": {"$in": [f"workflow-{number:032}" for number in range(15_000)]}})
    assert matches({"a": f"workflow-{14_999:032}"})


@pytest.mark.parametrize(
    "arguments",
    [
        {"skip": -1},
        {"skip": True},
        {"limit": -1},
        {"limit": 1.0},
        {"sort": [("a", 2)]},
        {"sort": [("a", "asc")]},
        {"sort": [("a", {"$meta": "textScore"})]},
        {"sort": [("$natural", 1)]},
        {"sort": [("a..b", 1)]},
        {"sort": [("", 1)]},
        {"sort": [("a", 1), ("a", -1)]},
        {"sort": ["a"]},
        {"sort": [(f"f{number}", 1) for number in range(33)]},
        {"projection": {"a": 1, "b": 0}},
        {"projection": {"a": 1, "a.b": 1}},
        {"projection": {"a.b": 1, "a": {"b": 1}}},
        {"projection": {"a": {}}},
        {"projection": ["a", ""]},
        {"projection": ["$a"]},
        {"projection": "a"},
        {"projection": [1]},
        {"group_by": ["a"]},
        {"aggregations": ["avg"]},
        {"aggregations": [("avg", "a..b")]},
        {"aggregations": [("avg", "*")]},
        {"aggregations": [("avg", "a"), ("avg", "a")]},
        {"aggregations": [("avg", "a.b"), ("avg", "a_b")]},
        {"aggregations": [("avg", "a")], "group_by": ["avg_a"]},
        {"aggregations": [("avg", "a")], "group_by": ["b"], "projection": ["b"]},
        {"aggregations": [("avg", "a")], "projection": {"b": 0}},
        {"aggregations": [("avg", "a")], "sort": [("a", 1)]},
        {"aggregations": [("avg", "a")], "group_by": ["b", "c"], "sort": [("_id", 1)]},
        {"aggregations": [("sum", f"f{number}") for number in range(101)]},
    ],
    ids=str,
)
def test_other_arguments_that_cannot_be_used_are_named(arguments: dict[str, Any]) -> None:
    error = refusal(**arguments)
    assert error.reason == Reason.INVALID_FIELD
    assert error.metadata["field"] in {"skip", "limit", "sort", "projection", "group_by", "aggregation"}


@pytest.mark.parametrize(
    ("arguments", "operator"),
    [
        ({"projection": {"a": {"$slice": 1}}}, "$slice"),
        ({"projection": {"a": {"$elemMatch": {"b": 1}}}}, "$elemMatch"),
        ({"projection": {"a": {"$meta": "textScore"}}}, "$meta"),
        ({"projection": {"a.$": 1}}, "a.$"),
        ({"projection": {"a": "$b"}}, "'$b'"),
        ({"aggregations": [("push", "a")]}, "push"),
        ({"aggregations": [("$avg", "a")]}, "$avg"),
    ],
    ids=str,
)
def test_operators_of_projections_and_aggregations_that_are_not_evaluated_are_named(
    arguments: dict[str, Any], operator: str
) -> None:
    error = refusal(**arguments)
    assert error.reason == Reason.UNSUPPORTED_OPERATOR
    assert error.metadata["operator"] == operator
