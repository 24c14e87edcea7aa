"""Any value becomes plain data, and none raises."""

from __future__ import annotations

import dataclasses
import enum
import math
import uuid
from collections import OrderedDict, deque, namedtuple
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowcept.plain import Plainer, PlainLimits, plain

Point = namedtuple("Point", "x y")  # noqa: PYI024 - untyped ones exist in users' code


class Colour(enum.Enum):
    RED = "red"


class Found(enum.Enum):
    NAME = "\udcff"  # as of a file that is not named in UTF-8


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Config:
    rate: float
    path: Path


class Described:
    def to_dict(self) -> dict[str, Any]:
        return {"a": 1}


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (-(2**70), str(-(2**70))),
        ("text", "text"),
        (b"bytes", b"bytes"),
        ((1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (range(3), [0, 1, 2]),
        (deque([1]), [1]),
        (OrderedDict(a=1), {"a": 1}),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Config(0.1, Path("/data")), {"rate": 0.1, "path": "/data"}),
        (Described(), {"a": 1}),
        (Path("/data/x"), "/data/x"),
        (Decimal("1.10"), "1.10"),
        (1 + 2j, "(1+2j)"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(seconds=90), 90.0),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
        (ValueError("wrong"), "ValueError: wrong"),
        (len, "builtins.len"),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.uint64(2**64 - 1), str(2**64 - 1)),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(5), 5),
        (np.array(1 + 2j), "(1+2j)"),
        (np.array({"a": {1}}), {"a": [1]}),
        (np.array(np.longdouble(1)), "1.0"),
        (np.bytes_(b"ab"), b"ab"),
        (torch.tensor([1.0, 2.0]), [1.0, 2.0]),
        (torch.tensor(3), 3),
        (torch.tensor(1 + 2j), "(1+2j)"),
        (torch.tensor([1.0], requires_grad=True), [1.0]),
        (pd.Series([1, 2]), [1, 2]),
        (pd.DataFrame({"a": [1]}), {"a": [1]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_becomes_the_plain_value_that_one_expects(value: object, expected: object) -> None:
    assert plain(value) == expected


@pytest.mark.parametrize(
    ("value", "described"),
    [
        (np.zeros((200, 3)), {"type": "numpy.ndarray", "shape": [200, 3], "dtype": "float64"}),
        (torch.zeros(500), {"type": "torch.Tensor", "shape": [500], "dtype": "torch.float32", "device": "cpu"}),
        (pd.DataFrame({"a": range(500)}), {"type": "pandas.DataFrame", "shape": [500, 1], "columns": ["a"]}),
    ],
    ids=["ndarray", "tensor", "frame"],
)
def test_a_large_array_is_described_instead_of_copied(value: object, described: object) -> None:
    assert plain(value) == described


def test_not_a_number_stays_what_it_is() -> None:
    assert math.isnan(plain(float("nan")))


def test_keys_become_strings_and_none_is_lost() -> None:
    assert plain({1: "a", "1": "b", None: "c", Colour.RED: "d"}) == {"1": "a", "1_": "b", "None": "c", "red": "d"}


def test_a_key_with_nul_can_be_stored() -> None:
    bson.encode(plain({"a\0b": 1}))


def test_keys_with_dots_and_dollars_stay_as_they_are() -> None:
    assert plain({"a.b": 1, "$c": "$d", "": 2}) == {"a.b": 1, "$c": "$d", "": 2}


def test_a_cycle_ends_where_it_closes() -> None:
    value: dict[str, Any] = {"a": 1}
    value["self"] = value

    assert plain(value) == {"a": 1, "self": "<cycle>"}


def test_deep_nesting_ends_at_the_limit() -> None:
    value: list[Any] = []
    for _ in range(10_000):
        value = [value]

    bson.encode({"value": plain(value)})


def test_a_value_that_raises_when_looked_at_is_named_by_its_type() -> None:
    assert plain({"good": 1, "bad": Hostile()}) == {"good": 1, "bad": "<Hostile>"}


def test_an_iterator_is_not_consumed() -> None:
    iterator = iter([1, 2])

    plain({"iterator": iterator})

    assert list(iterator) == [1, 2]


def test_large_containers_are_cut_and_say_so() -> None:
    limits = PlainLimits(max_items=2)

    assert plain([1, 2, 3, 4], limits) == [1, 2, "<more>"]
    assert plain({"a": 1, "b": 2, "c": 3}, limits) == {"a": 1, "b": 2, "...": "<1 more>"}


def test_long_text_is_cut_and_says_so() -> None:
    assert plain("x" * 50, PlainLimits(max_text=10)) == "x" * 10 + "… <50 characters>"


@pytest.mark.parametrize("value", ["\ud800", Found.NAME])
def test_half_a_surrogate_pair_can_be_stored(value: object) -> None:
    bson.encode({"value": plain(value)})


def test_the_weight_grows_with_what_is_kept() -> None:
    small, large = Plainer(), Plainer()
    small.value({"a": 1})
    large.value({"a": "x" * 1000})

    assert 1000 < large.weight < 2000
    assert small.weight < 100


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1))  # noqa: DTZ001 - hypothesis wants them so
    | st.complex_numbers()
    | st.uuids(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text() | st.none(), inner) | st.tuples(inner),
    max_leaves=20,
)


@given(anything)
def test_bson_holds_whatever_comes_out(value: object) -> None:
    bson.encode({"value": plain(value)})


@given(anything)
def test_what_is_plain_already_stays_as_it_is(value: object) -> None:
    once = plain(value)

    assert repr(plain(once)) == repr(once)
