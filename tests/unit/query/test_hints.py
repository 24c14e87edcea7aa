"""What a filter tells a store about its secondary indexes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.query import parse_query


@pytest.mark.parametrize(
    ("filter", "equalities", "covered_by"),
    [
        ({}, {}, None),
        ({"a": "x"}, {"a": {"x"}}, "a"),
        ({"a": {"$eq": "x"}}, {"a": {"x"}}, "a"),
        ({"a": {"$in": ["x", "y"]}}, {"a": {"x", "y"}}, "a"),
        ({"a": {"$in": []}}, {"a": set()}, "a"),
        ({"$and": [{"a": "x"}]}, {"a": {"x"}}, "a"),
        ({"a": "x", "b": "y"}, {"a": {"x"}, "b": {"y"}}, None),
        ({"a": "x", "b": 1}, {"a": {"x"}}, None),
        ({"a": {"$eq": "x", "$ne": "y"}}, {"a": {"x"}}, None),
        ({"a": "x", "$or": [{"b": 1}]}, {"a": {"x"}}, None),
        ({"$and": [{"a": {"$in": ["x", "y"]}}, {"a": "z"}]}, {"a": {"z"}}, None),
        ({"$or": [{"a": "x"}, {"a": "y"}]}, {}, None),
        ({"$nor": [{"a": "x"}]}, {}, None),
        ({"a": {"$not": {"$eq": "x"}}}, {}, None),
        ({"a": 1}, {}, None),
        ({"a": None}, {}, None),
        ({"a": {"$in": ["x", None]}}, {}, None),
        ({"a": {"$gt": "x"}}, {}, None),
        ({"a": {"$regex": "x"}}, {}, None),
        ({"used.id": "x"}, {"used.id": {"x"}}, "used.id"),
    ],
)
def test_hints(filter: dict[str, Any], equalities: dict[str, set[str]], covered_by: str | None) -> None:
    hints = parse_query(filter).hints
    assert hints.equalities == equalities
    assert hints.covered_by == covered_by


TEXT = st.sampled_from(["x", "y", "z"])
CONDITION = TEXT | st.lists(TEXT, max_size=2).map(lambda values: {"$in": values}) | st.just({"$ne": "x"})
FILTER = st.recursive(
    st.dictionaries(st.sampled_from(["a", "b"]), CONDITION, max_size=2),
    lambda inner: st.dictionaries(st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=2)),
)
VALUE = TEXT | st.lists(TEXT, max_size=3) | st.none()


@given(FILTER, st.dictionaries(st.sampled_from(["a", "b"]), VALUE))
def test_every_match_has_one_of_the_hinted_values_and_a_covering_hint_is_the_whole_filter(
    filter: dict[str, Any], document: dict[str, Any]
) -> None:
    query = parse_query(filter)
    found = {
        field: any(value in values for value in _values(document.get(field)))
        for field, values in query.hints.equalities.items()
    }
    if query.matches(document):
        assert all(found.values())
    if query.hints.covered_by is not None:
        assert query.matches(document) == found[query.hints.covered_by]


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
