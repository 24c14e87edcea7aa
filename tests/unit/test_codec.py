"""Documents and times cross the wire unchanged; what cannot is named with its path."""

from __future__ import annotations

import json
import struct
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import bson
import pytest
from bson.binary import UUID_SUBTYPE, Binary, UuidRepresentation
from bson.datetime_ms import DatetimeMS
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from flowcept.codec import (
    BSON,
    CODEC_OPTIONS,
    JSON,
    MAX_DEPTH,
    MAX_DOCUMENT_BYTES,
    decode_bson,
    decode_document,
    decode_timestamp,
    encode_bson,
    encode_document,
    encode_timestamp,
    wire_document,
)
from flowcept.errors import InvalidArgumentError, Reason
from flowcept.v1 import document_pb2

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10) | st.sampled_from(
    ["", "a.b", "$ref", "$id", "$db", "$where", "_id"]
)
TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000))
SCALARS = (
    st.none()
    | st.booleans()
    | INT64
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=20)
    | TIMES
    | st.uuids()
    | st.binary(min_size=12, max_size=12).map(bson.ObjectId)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=5)

# Keys that start with `$` have a meaning of their own in Extended JSON, so that data under them cannot be told apart.
JSON_KEYS = KEYS.filter(lambda key: not key.startswith("$"))
JSON_DOCUMENTS = st.dictionaries(
    JSON_KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(JSON_KEYS, inner, max_size=3),
        max_leaves=12,
    ),
    max_size=5,
)


def nested(levels: int) -> dict[str, Any]:
    """A document of so many levels."""
    document: dict[str, Any] = {}
    for _ in range(levels - 1):
        document = {"a": document}
    return document


def raw_nested(levels: int) -> bytes:
    """The same as BSON, however deep."""
    sizes = [5 + 8 * level for level in range(levels)]
    heads = b"".join(struct.pack("<i", size) + b"\x03a\0" for size in reversed(sizes[1:]))
    return heads + b"\x05\0\0\0\0" + b"\0" * (levels - 1)


def check_decoded_or_refused(document: document_pb2.Document) -> None:
    """Whatever arrives becomes a dict, or an error that names the field; nothing else escapes."""
    try:
        decoded = decode_document(document, "used")
    except InvalidArgumentError as error:
        refused = error
    else:
        assert isinstance(decoded, dict)
        return
    assert refused.reason is Reason.INVALID_DOCUMENT
    assert refused.metadata["field"].startswith("used")


@given(DOCUMENTS)
def test_a_document_round_trips_through_bson(document: dict[str, Any]) -> None:
    assert decode_document(encode_document(document, "used", BSON), "used") == document


@given(JSON_DOCUMENTS)
def test_a_document_round_trips_through_json(document: dict[str, Any]) -> None:
    assert decode_document(encode_document(document, "used", JSON), "used") == document


@given(DOCUMENTS)
def test_what_was_decoded_encodes_to_the_same_bytes_again(document: dict[str, Any]) -> None:
    data = encode_bson(document)
    assert encode_bson(decode_bson(data)) == data


@given(
    st.binary(max_size=60) | DOCUMENTS.map(encode_bson).flatmap(lambda d: st.integers(0, len(d)).map(lambda n: d[:n]))
)
def test_any_bytes_are_a_document_or_refused(data: bytes) -> None:
    check_decoded_or_refused(document_pb2.Document(bson=data))


# fmt: off
JSON_LIKE_KEYS = [
    "a", "base64", "subType", "pattern", "options", "t", "i", "$oid", "$date", "$binary", "$numberLong", "$numberInt",
    "$numberDecimal", "$numberDouble", "$timestamp", "$code", "$scope", "$regularExpression", "$regex", "$options",
    "$ref", "$id", "$dbPointer", "$uuid", "$minKey", "$symbol", "$undefined", "$type",
]
# fmt: on
JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(JSON_LIKE_KEYS), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_LIKE)
def test_any_json_is_a_document_or_refused(value: Any) -> None:
    check_decoded_or_refused(document_pb2.Document(json=json.dumps(value)))


def test_an_absent_document_differs_from_an_empty_one() -> None:
    assert decode_document(document_pb2.Document(), "used") is None
    assert decode_document(encode_document({}, "used"), "used") == {}


@pytest.mark.parametrize(
    ("document", "path", "problem"),
    [
        ({"a": {"b": 2**64}}, "custom_metadata.a.b", "64 bits"),
        ({"a": [1, {"b": -(2**63) - 1}]}, "custom_metadata.a.1.b", "64 bits"),
        ({"a": {3: 1}}, "custom_metadata.a", "keys must be strings"),
        ({"a": {"x\0y": 1}}, "custom_metadata.a", "NUL"),
        ({"a": {"b": {1, 2}}}, "custom_metadata.a.b", "type set"),
        ({"a": {"b": object()}}, "custom_metadata.a.b", "type object"),
        ({"a": "\ud800"}, "custom_metadata.a", "surrogates"),
        ({"\ud800": 1}, "custom_metadata", "surrogates"),
        ([1], "custom_metadata", "not list"),
    ],
)
def test_what_a_document_cannot_hold_is_named_with_its_path(document: Any, path: str, problem: str) -> None:
    with pytest.raises(InvalidArgumentError, match=problem) as caught:
        encode_document(document, "custom_metadata")
    assert (caught.value.reason, caught.value.metadata["field"]) == (Reason.INVALID_DOCUMENT, path)


def test_the_path_of_something_too_deep_is_cut() -> None:
    with pytest.raises(InvalidArgumentError, match="levels") as caught:
        encode_document(nested(MAX_DEPTH + 1), "custom_metadata")
    field = caught.value.metadata["field"]
    assert field.startswith("custom_metadata.a.a.a")
    assert len(field) == 200


def test_a_document_that_contains_itself_is_refused() -> None:
    document: dict[str, Any] = {}
    document["self"] = document
    with pytest.raises(InvalidArgumentError, match="contains itself"):
        encode_bson(document, "used")


def test_a_hundred_levels_are_accepted() -> None:
    assert decode_bson(encode_bson(nested(MAX_DEPTH))) == nested(MAX_DEPTH)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 500, 5_000, 300_000])
def test_deeper_bson_is_refused_however_deep(levels: int) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        decode_bson(raw_nested(levels), "used")
    assert caught.value.reason is Reason.INVALID_DOCUMENT


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 5_000, 300_000])
def test_deeper_json_is_refused_however_deep(levels: int) -> None:
    text = '{"a":' * levels + "{}" + "}" * levels
    with pytest.raises(InvalidArgumentError) as caught:
        decode_document(document_pb2.Document(json=text), "used")
    assert caught.value.reason is Reason.INVALID_DOCUMENT


def test_wide_documents_are_not_deep() -> None:
    wide = {"rows": [{"cells": [1, 2]} for _ in range(500)]}
    assert decode_bson(encode_bson(wide)) == wide


def test_keys_that_look_like_a_reference_stay_keys_in_their_order() -> None:
    document = {"a": {"$id": 1, "$ref": "x", "z": 2}}
    decoded = decode_bson(encode_bson(document))
    assert type(decoded["a"]) is dict
    assert list(decoded["a"]) == ["$id", "$ref", "z"]


@pytest.mark.parametrize("text", ["[1]", "3", "null", '"x"'])
def test_json_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="JSON object"):
        decode_document(document_pb2.Document(json=text), "filter")


def test_an_oversized_document_is_refused_with_its_size() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        encode_document({"a": b"x" * MAX_DOCUMENT_BYTES}, "generated")
    assert caught.value.metadata["limit"] == str(MAX_DOCUMENT_BYTES)
    with pytest.raises(InvalidArgumentError, match="blobs"):
        decode_document(document_pb2.Document(bson=bytes(MAX_DOCUMENT_BYTES + 1)), "generated")


def test_json_shows_times_identifiers_and_integers_readably() -> None:
    document = {"t": datetime(2026, 1, 2, 3, 4, 5, 678000, UTC), "n": 2**40, "u": uuid.UUID(int=1)}
    text = wire_document(encode_bson(document), JSON).json
    assert '"t": {"$date": "2026-01-02T03:04:05.678Z"}' in text
    assert f'"n": {2**40}' in text


def test_the_reader_decides_what_values_become() -> None:
    options = CODEC_OPTIONS.with_options(uuid_representation=UuidRepresentation.UNSPECIFIED)
    document = encode_document({"u": uuid.UUID(int=1), "r": {"$ref": "a", "$id": 1}}, "used")
    decoded = decode_document(document, "used", options)
    assert decoded == {"u": Binary(uuid.UUID(int=1).bytes, UUID_SUBTYPE), "r": {"$ref": "a", "$id": 1}}


def test_dates_beyond_python_s_years_survive() -> None:
    document = {"t": DatetimeMS(2**60)}
    assert decode_bson(encode_bson(document)) == document


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_round_trips_to_the_microsecond(time: datetime) -> None:
    assert decode_timestamp(encode_timestamp(time), "started_at") == time


def test_a_naive_time_counts_as_utc() -> None:
    aware = datetime(2026, 1, 2, tzinfo=UTC)
    assert encode_timestamp(aware.replace(tzinfo=None)) == encode_timestamp(aware)


def test_a_time_of_another_zone_is_the_same_instant() -> None:
    berlin = timezone(timedelta(hours=2))
    decoded = decode_timestamp(encode_timestamp(datetime(2026, 1, 2, 2, tzinfo=berlin)), "t")
    assert decoded == datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "stamp", [Timestamp(seconds=2**62), Timestamp(seconds=-(2**62)), Timestamp(nanos=-1), Timestamp(nanos=10**9)]
)
def test_a_malformed_time_names_its_field(stamp: Timestamp) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        decode_timestamp(stamp, "started_at")
    assert (caught.value.reason, caught.value.metadata["field"]) == (Reason.INVALID_FIELD, "started_at")


def test_binary_values_that_are_marked_as_uuids_and_are_none_become_json() -> None:
    odd = {"odd": Binary(b"abc", 4), "older": Binary(b"x", 3), "uuid": Binary(b"u" * 16, 4)}
    text = wire_document(bson.encode(odd), document_pb2.DOCUMENT_ENCODING_JSON).json
    assert {name: value["$binary"]["subType"] for name, value in json.loads(text).items()} == {
        "odd": "04",
        "older": "03",
        "uuid": "04",
    }


def test_bytes_that_are_marked_as_a_uuid_and_are_none_stay_bytes() -> None:
    odd = Binary(b"short", UUID_SUBTYPE)
    assert decode_bson(bson.encode({"id": odd, "n": 1})) == {"id": odd, "n": 1}
