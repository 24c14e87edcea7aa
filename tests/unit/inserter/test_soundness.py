"""Documents that are known to be sound are looked at less, and become the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId, Regex
from hypothesis import given
from hypothesis import strategies as st

from flowcept.errors import InvalidArgumentError
from flowcept_service.domain.records import Collection
from flowcept_service.provenance.inserter import InserterSettings, surely_sound
from flowcept_service.provenance.inserter.documents import MAX_DEPTH, MAX_KEYS, check_value
from flowcept_service.provenance.inserter.fields import SCHEMAS
from flowcept_service.query import decode
from tests.unit.inserter.messages import prepared

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(),
    st.binary(max_size=6),
    st.sampled_from([Binary(b"x" * 16, 4), Decimal128("1"), ObjectId(b"o" * 12), Regex("x")]),
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001 -- bounds are naive by contract
)
STRINGS = TEXTS | st.sampled_from(["", "FINISHED", "n\0n", "w" * 255, "é" * 128, "2026-11-20T12:00:00"])
VALUES = st.recursive(
    ATOMS | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS.map(lambda key: key.replace("\0", "")), inner),
    max_leaves=12,
)
FIELDS = sorted({field for schema in SCHEMAS.values() for field in schema.accept} | {"type", "finished", "other", "$x"})
USUAL = st.fixed_dictionaries(
    {}, optional={"task_id": STRINGS, "used": st.dictionaries(st.sampled_from("abi"), VALUES)}
)
MESSAGES = st.builds(
    lambda kind, usual, odd: {"type": kind, **usual, **odd},
    st.sampled_from(["task", "workflow", "agent"]),
    USUAL,
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
)


def outcome(message: dict[str, Any], settings: InserterSettings, *, sound: bool) -> bytes | str:
    try:
        record = prepared(message, settings, sound=sound)
    except InvalidArgumentError as error:
        return f"{error.reason} {error.message} {error.metadata}"
    return bson.encode({"in": record.collection, "id": record.record_id, "fields": record.fields})


@given(MESSAGES, st.booleans())
def test_a_sound_message_is_prepared_like_any_other(message: dict[str, Any], remove_empty_fields: bool) -> None:
    data = bson.encode(message)
    config = InserterSettings(remove_empty_fields=remove_empty_fields)

    quick = outcome(decode(data), config, sound=surely_sound(data))

    assert quick == outcome(decode(data), config, sound=False)


@given(st.dictionaries(st.just("used"), VALUES, min_size=1))
def test_what_is_surely_sound_passes_every_check(document: dict[str, Any]) -> None:
    data = bson.encode(document)
    if surely_sound(data):
        check_value("used", decode(data)["used"])


def nested(levels: int, innermost: object, *, arrays: bool = False) -> object:
    value = innermost
    for _ in range(levels):
        value = [value] if arrays else {"": value}
    return value


@pytest.mark.parametrize("arrays", [True, False])
@pytest.mark.parametrize("innermost", [None, {"x": "long" * 1000}])
def test_what_is_nested_too_deeply_is_never_sure(arrays: bool, innermost: object) -> None:
    deepest = MAX_DEPTH - (1 if innermost is None else 2)
    check_value("", nested(deepest, innermost, arrays=arrays))
    too_deep = nested(deepest + 1, innermost, arrays=arrays)
    with pytest.raises(InvalidArgumentError):
        check_value("", too_deep)
    assert not surely_sound(bson.encode({"": too_deep}))


def test_what_has_too_many_keys_is_never_sure() -> None:
    document = {"": {f"{number:x}": None for number in range(MAX_KEYS + 1)}}
    assert not surely_sound(bson.encode(document))


def test_ordinary_documents_are_sure_also_when_they_are_long() -> None:
    document = {"used": {"text": "x" * 5000, "layers": [64] * 30}, "generated": {"loss": 0.5}}
    assert surely_sound(bson.encode(document))


def test_of_sound_messages_too_an_unknown_field_keeps_what_it_has() -> None:
    message = {"type": "task", "task_id": "t", "other": None, "hostname": None}
    assert prepared(message, sound=True).fields.items() >= {"task_id": "t", "other": None}.items()
    assert "hostname" not in prepared(message, sound=True).fields
    assert prepared(message, sound=True).collection is Collection.TASKS
