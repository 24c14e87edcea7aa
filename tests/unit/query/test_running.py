"""Running a query: order of the steps, laziness, bounds on memory, encoded documents."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcept.errors import InvalidArgumentError, Reason, ResourceExhaustedError
from flowcept_service.query import Query, QueryLimits, decode, parse_query, run, run_bson, to_find

DOCUMENTS: list[dict[str, Any]] = [{"_id": number, "v": number % 10, "w": f"w{number % 3}"} for number in range(100)]
ENCODED = [bson.encode(document) for document in DOCUMENTS]


class Counted:
    """Documents, and how many of them were read."""

    def __init__(self, documents: list[Any]) -> None:
        self.read = 0
        self._documents = documents

    def __iter__(self) -> Iterator[Any]:
        for document in self._documents:
            self.read += 1
            yield document


def ids(query: Query, documents: Sequence[dict[str, Any]]) -> list[Any]:
    return [document["_id"] for document in run(query, documents)]


QUERIES = [
    parse_query(),
    parse_query({"v": 3}),
    parse_query({"w": "w1"}),
    parse_query({"v": {"$gt": 5}}, ["w"], [("v", -1), ("_id", 1)], skip=2, limit=7),
    parse_query(projection=["v"]),
    parse_query(sort=[("w", 1), ("v", -1)]),
    parse_query(limit=5, skip=90),
    parse_query(skip=98),
    parse_query({"v": 1}, aggregations=[("max", "_id")], group_by=["w"], sort=[("w", 1)]),
    parse_query(aggregations=[("avg", "v")]),
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_encoded_documents_give_the_same_results(query: Query) -> None:
    assert list(map(decode, run_bson(query, ENCODED))) == list(run(query, DOCUMENTS))


def test_filter_sort_skip_limit_and_projection_apply_in_this_order() -> None:
    query = parse_query({"v": {"$gte": 5}}, {"w": 1, "_id": 0}, [("_id", -1)], skip=1, limit=2)
    assert list(run(query, DOCUMENTS)) == [{"w": "w2"}, {"w": "w1"}]


def test_sort_is_stable_in_both_directions() -> None:
    assert ids(parse_query({"_id": {"$lt": 25}}, sort=[("v", -1)], limit=4), DOCUMENTS) == [9, 19, 8, 18]
    assert ids(parse_query({"_id": {"$lt": 25}}, sort=[("v", 1)], limit=4), DOCUMENTS) == [0, 10, 20, 1]


def test_arrays_sort_by_their_least_or_greatest_element() -> None:
    documents: list[dict[str, Any]] = [
        {"_id": 1, "v": [5, 1]},
        {"_id": 2, "v": 3},
        {"_id": 3, "v": []},
        {"_id": 4},
        {"_id": 5, "v": [2, 9]},
    ]
    assert ids(parse_query(sort=[("v", 1)]), documents) == [3, 4, 1, 5, 2]
    assert ids(parse_query(sort=[("v", -1)]), documents) == [5, 1, 2, 4, 3]


def test_several_keys_of_one_array_are_taken_from_one_element() -> None:
    documents = [{"_id": 1, "a": [{"x": 1, "y": 9}, {"x": 2, "y": 0}]}, {"_id": 2, "a": [{"x": 1, "y": 5}]}]
    assert ids(parse_query(sort=[("a.x", 1), ("a.y", 1)]), documents) == [2, 1]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.0", [4, 3, 1, 2]), ("a.1.b", [4, 2, 3, 1]), ("a.0.b", [4, 3, 1, 2])],
)
def test_sort_paths_may_index_arrays(path: str, expected: list[int]) -> None:
    documents: list[dict[str, Any]] = [
        {"_id": 1, "a": [{"b": 3}, {"b": 9}]},
        {"_id": 2, "a": [{"b": 5}, {"b": 0}]},
        {"_id": 3, "a": [{"b": 1}, {"b": 4}]},
        {"_id": 4},
    ]
    assert ids(parse_query(sort=[(path, 1)]), documents) == expected


def test_a_numeric_part_that_is_index_and_field_name_is_refused_as_mongodb_refuses_it() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        ids(parse_query(sort=[("a.0.b", 1)]), [{"_id": 1, "a": [{"b": 1, "0": {"b": 2}}]}])
    assert caught.value.reason == Reason.INVALID_FIELD


def test_a_document_with_arrays_in_two_sort_fields_is_refused_as_mongodb_refuses_it() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        ids(parse_query(sort=[("a", 1), ("b", 1)]), [{"_id": 1, "a": [1], "b": [2]}])
    assert caught.value.reason == Reason.INVALID_FIELD


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5))), st.integers(0, 10), st.integers(1, 10))
def test_a_limited_sort_gives_the_beginning_of_the_full_one(
    values: list[tuple[int, int]], skip: int, limit: int
) -> None:
    documents = [{"_id": number, "a": a, "b": b} for number, (a, b) in enumerate(values)]
    sort = [("a", -1), ("b", 1)]
    whole = ids(parse_query(sort=sort), documents)
    assert ids(parse_query(sort=sort, skip=skip, limit=limit), documents) == whole[skip : skip + limit]


@pytest.mark.parametrize("direction", [1, -1])
def test_a_limited_sort_of_many_documents_gives_the_beginning_of_the_full_one(direction: int) -> None:
    numbers = list(range(20_000))
    random.Random(1).shuffle(numbers)
    documents = [{"_id": number, "v": number // 3} for number in numbers]
    sort = [("v", direction), ("_id", 1)]
    expected = sorted(numbers, key=lambda number: (direction * (number // 3), number))
    assert ids(parse_query(sort=sort, skip=5, limit=20), documents) == expected[5:25]


def test_a_limited_sort_holds_no_more_than_it_needs() -> None:
    documents = ({"_id": number, "payload": "x" * 1000} for number in range(20_000))
    query = parse_query(sort=[("_id", -1)], limit=10)
    results = list(run(query, documents, limits=QueryLimits(max_sort_bytes=2_000_000)))
    assert [document["_id"] for document in results] == list(range(19_999, 19_989, -1))


def test_a_sort_that_would_hold_too_much_is_refused_with_a_remedy() -> None:
    documents = [{"_id": number, "payload": "x" * 1000} for number in range(100)]
    with pytest.raises(ResourceExhaustedError, match="smaller limit, a narrower filter or a projection") as caught:
        list(run(parse_query(sort=[("_id", 1)]), documents, limits=QueryLimits(max_sort_bytes=50_000)))
    assert caught.value.reason == Reason.RESULT_TOO_LARGE


def test_a_sort_holds_projected_documents_so_that_a_projection_makes_room() -> None:
    documents = [{"_id": number, "payload": "x" * 1000} for number in range(100)]
    query = parse_query(sort=[("payload", 1), ("_id", -1)], projection=["_id"])
    results = list(run(query, documents, limits=QueryLimits(max_sort_bytes=50_000)))
    assert results[0] == {"_id": 99}


@pytest.mark.parametrize(("runner", "documents"), [(run, DOCUMENTS), (run_bson, ENCODED)], ids=["run", "run_bson"])
def test_results_stream_and_reading_stops_with_the_limit(runner: Any, documents: list[Any]) -> None:
    counted = Counted(documents)
    results = runner(parse_query({"v": {"$gte": 0}}, limit=3), counted)
    assert counted.read == 0
    next(results)
    assert counted.read == 1
    list(results)
    assert counted.read == 3


def test_whole_documents_are_passed_on_without_a_copy() -> None:
    assert next(run_bson(parse_query({"v": 3}), ENCODED)) is ENCODED[3]


def test_documents_that_lack_a_string_of_the_filter_are_not_decoded() -> None:
    documents = [b"broken", bson.encode({"_id": 1, "v": {"x": ["a", "w1"]}}), b"\x03\0\0\0w1"]
    assert list(map(decode, run_bson(parse_query({"v.x": "w1"}), documents))) == [{"_id": 1, "v": {"x": ["a", "w1"]}}]
    assert list(run_bson(parse_query({"v": {"$in": []}}), documents)) == []


@given(
    st.lists(st.dictionaries(st.sampled_from("ab"), st.text(max_size=2) | st.lists(st.text(max_size=1)), max_size=2)),
    st.dictionaries(
        st.sampled_from("ab"),
        st.text(max_size=1) | st.builds(lambda values: {"$in": values}, st.lists(st.text(max_size=1))),
    ),
)
def test_encoded_documents_are_found_by_their_strings_as_decoded_ones_are(
    documents: list[dict[str, Any]], filter: dict[str, Any]
) -> None:
    query = parse_query(filter)
    assert list(map(decode, run_bson(query, map(bson.encode, documents)))) == list(run(query, documents))


def test_documents_that_an_index_matched_are_not_decoded() -> None:
    assert list(run_bson(parse_query({"v": 3}), [b"not decoded"], matched=True)) == [b"not decoded"]


def test_documents_that_an_index_matched_are_still_sorted_and_projected() -> None:
    query = parse_query({"v": 3}, ["_id"], [("_id", -1)], limit=1)
    assert list(map(decode, run_bson(query, ENCODED, matched=True))) == [{"_id": 99}]


def test_a_query_for_mongodb_keeps_the_filter_as_data() -> None:
    query = parse_query({"a": {"$eq": {"$x": 1}}}, {"b": True}, [("c.d", -1)], skip=1, limit=2)
    assert to_find(query) == {
        "filter": {"a": {"$eq": {"$x": 1}}},
        "projection": {"b": 1},
        "sort": [("c.d", -1)],
        "skip": 1,
        "limit": 2,
    }


def test_a_query_for_mongodb_with_sort_and_projection_has_a_limit_so_that_it_sorts_whole_documents() -> None:
    found = to_find(parse_query(projection=["a.b"], sort=[("a.b", 1)], skip=5))
    assert found["skip"] + found["limit"] == 2**63 - 1
