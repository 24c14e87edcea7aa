"""Messages in files: nothing is lost on the way, and what is damaged is named."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bson import DatetimeMS, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import given
from hypothesis import strategies as st

from flowcept.errors import InvalidArgumentError
from flowcept.jsonlines import decode_line, encode_line, read_batches, read_messages, write_messages

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants them naive
)
NAMES = st.text() | st.sampled_from(["$ref", "$id", "a.b", "", "$date$"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20)


@given(st.dictionaries(NAMES, VALUES))
def test_a_message_comes_back_as_it_was(message: dict[str, object]) -> None:
    line = encode_line(message)

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_line(line, "here") == message


def test_values_that_only_bson_has_are_kept() -> None:
    values = [
        ObjectId(),
        Decimal128("1.50"),
        DatetimeMS(2**60),
        Regex("a", "i"),
        Timestamp(1, 2),
        MinKey(),
        MaxKey(),
    ]

    assert decode_line(encode_line({"values": values}), "here") == {"values": values}


@pytest.mark.parametrize("value", ["\ud800", Regex("\udcff")], ids=lambda value: type(value).__name__)
def test_half_a_surrogate_pair_is_kept(value: object) -> None:
    assert decode_line(encode_line({"value": value}), "here") == {"value": value}


def test_numbers_that_json_lacks_are_kept() -> None:
    found = decode_line(encode_line({"values": [math.inf, -math.inf, math.nan]}), "here")["values"]

    assert isinstance(found, list)
    assert found[:2] == [math.inf, -math.inf]
    assert math.isnan(found[2])


def test_any_tool_reads_the_lines() -> None:
    line = encode_line({"at": datetime(2026, 1, 2, tzinfo=UTC), "text": "ü"})

    assert json.loads(line) == {"at": {"$date": "2026-01-02T00:00:00Z"}, "text": "ü"}


@pytest.mark.parametrize(
    "value",
    [
        {"$date": "no date"},
        {"$binary": "x"},
        {"$numberDouble": "1"},
        {"$ref": 1},
        {"$oid": "x"},
        {"$oid": None},
        {"$timestamp": 1},
        {"$numberDecimal": "x"},
    ],
)
def test_objects_that_only_look_special_stay_what_they_are(value: dict[str, object]) -> None:
    assert decode_line(encode_line({"value": value}), "here") == {"value": value}


@pytest.mark.parametrize("line", [b"{", b"[1]", b"7", b"\xff", b"nothing"])
def test_a_line_that_is_no_message_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_bytes(b'{"a": 1}\n\n' + line + b"\n")

    with pytest.raises(InvalidArgumentError, match=r"Line 3 of .*messages\.jsonl"):
        list(read_messages(path))


def test_batches_are_bounded_and_know_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    write_messages(path, [{"i": number, "pad": "x" * (100 if number == 3 else 1)} for number in range(6)])

    batches = list(read_batches(path, 2, 60))

    assert [message["i"] for batch in batches for message in batch.messages] == list(range(6))
    assert [batch.lines for batch in batches] == [[1, 2], [3], [4], [5, 6]]
    assert batches[-1].end == path.stat().st_size


def test_bad_lines_are_passed_over_when_somebody_listens(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_bytes(b'{"a": 1}\nbad\n\n{"a": 2}\n')
    bad: list[int] = []

    [batch] = read_batches(path, 10, 1000, lambda number, error: bad.append(number))

    assert (batch.messages, batch.lines, bad) == ([{"a": 1}, {"a": 2}], [1, 4], [2])
    with pytest.raises(InvalidArgumentError):
        list(read_batches(path, 10, 1000))


def test_writing_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    write_messages(path, [{"a": 1}])

    with pytest.raises(TypeError):
        write_messages(path, [{"a": object()}])

    assert list(read_messages(path)) == [{"a": 1}]
    assert list(tmp_path.iterdir()) == [path]
