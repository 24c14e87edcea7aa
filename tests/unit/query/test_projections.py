"""Which fields of a document a projection gives back."""

from __future__ import annotations

from typing import Any

import pytest

from flowcept_service.query import parse_query, run

DOCUMENT: dict[str, Any] = {
    "_id": 7,
    "a": {"b": 1, "c": {"d": 2}},
    "l": [{"b": 1, "c": 2}, 5, [{"b": 3}, 6], {}],
    "s": "x",
    "x.y": 1,
    "$z": 2,
    "": 3,
}


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        (None, DOCUMENT),
        ({}, DOCUMENT),
        ([], DOCUMENT),
        (["s"], {"_id": 7, "s": "x"}),
        (("s", "a.b"), {"_id": 7, "a": {"b": 1}, "s": "x"}),
        ({"s": 1, "_id": 0}, {"s": "x"}),
        ({"s": True}, {"_id": 7, "s": "x"}),
        ({"s": -2.5}, {"_id": 7, "s": "x"}),
        ({"_id": 1}, {"_id": 7}),
        ({"_id": 0}, {name: value for name, value in DOCUMENT.items() if name != "_id"}),
        ({"a.c.d": 1}, {"_id": 7, "a": {"c": {"d": 2}}}),
        ({"a": {"c": {"d": 1}}}, {"_id": 7, "a": {"c": {"d": 2}}}),
        ({"a.missing": 1}, {"_id": 7, "a": {}}),
        ({"s.missing": 1}, {"_id": 7}),
        ({"l.b": 1}, {"_id": 7, "l": [{"b": 1}, [{"b": 3}], {}]}),
        ({"missing": 1}, {"_id": 7}),
    ],
    ids=str,
)
def test_inclusion(projection: Any, expected: dict[str, Any]) -> None:
    assert list(run(parse_query(projection=projection), [DOCUMENT])) == [expected]


@pytest.mark.parametrize(
    ("projection", "path", "expected"),
    [
        ({"a": 0}, "a", None),
        ({"a.b": 0}, "a", {"c": {"d": 2}}),
        ({"a.b": False, "_id": 1}, "a", {"c": {"d": 2}}),
        ({"a": {"c": {"d": 0}}}, "a", {"b": 1, "c": {}}),
        ({"l.b": 0}, "l", [{"c": 2}, 5, [{}, 6], {}]),
    ],
    ids=str,
)
def test_exclusion(projection: Any, path: str, expected: Any) -> None:
    (result,) = run(parse_query(projection=projection), [DOCUMENT])
    assert result.get(path) == expected
    assert {name: value for name, value in result.items() if name != path} == {
        name: value for name, value in DOCUMENT.items() if name != path
    }


def test_fields_keep_the_order_of_the_document() -> None:
    (result,) = run(parse_query(projection=["s", "l", "a"]), [DOCUMENT])
    assert list(result) == ["_id", "a", "l", "s"]


def test_a_projection_leaves_the_document_alone() -> None:
    document = {"_id": 1, "a": {"b": [{"c": 1}], "d": 2}}
    (result,) = run(parse_query(projection={"a.b.c": 0}), [document])
    assert result == {"_id": 1, "a": {"b": [{}], "d": 2}}
    assert document == {"_id": 1, "a": {"b": [{"c": 1}], "d": 2}}
