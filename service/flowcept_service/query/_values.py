"""BSON values as Python values: the codec of the engine, and the total order of BSON.

The engine works on documents as `decode` gives them: ``dict``, ``list``, ``str``, ``int`` (int32), ``Int64`` (int64),
``float``, ``Decimal128``, ``bool``, ``None``, ``bytes`` (binary subtype 0), ``Binary``, ``ObjectId``, ``Regex``,
``Code``, ``Timestamp``, ``MinKey``, ``MaxKey`` and times as timezone-aware UTC ``datetime`` (``DatetimeMS`` outside
the years 1 to 9999). UUIDs stay ``Binary``. The order is MongoDB's: first by type, then by value; all numbers are one
type.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import bson
from bson.binary import OLD_BINARY_SUBTYPE, Binary, UuidRepresentation
from bson.code import Code
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.regex import Regex
from bson.timestamp import Timestamp

from flowcept_service.query._missing import MISSING, Missing

type_key = tuple[Any, ...]
"""What `order_key` returns: comparable and hashable, equal exactly when MongoDB calls the two values equal."""

CODEC_OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    document_class=dict,
    tz_aware=True,
    tzinfo=dt.UTC,
    uuid_representation=UuidRepresentation.UNSPECIFIED,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""How documents are decoded for the engine; see the module's docstring for the types."""

_RAW_OPTIONS: Final = CODEC_OPTIONS.with_options(document_class=RawBSONDocument)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)

RANK_MISSING: Final = 0
RANK_NULL: Final = 5
RANK_NAN: Final = 9
RANK_NUMBER: Final = 10

# Canonical type numbers of MongoDB: values of different numbers never compare equal, and sort by this number.
RANKS: Final[Mapping[type, int]] = {
    MinKey: -1,
    Missing: RANK_MISSING,
    type(None): RANK_NULL,
    int: RANK_NUMBER,
    Int64: RANK_NUMBER,
    float: RANK_NUMBER,
    Decimal128: RANK_NUMBER,
    str: 15,
    dict: 20,
    list: 25,
    bytes: 30,
    Binary: 30,
    ObjectId: 35,
    bool: 40,
    dt.datetime: 45,
    DatetimeMS: 45,
    Timestamp: 47,
    Regex: 50,
    Code: 60,
    MaxKey: 127,
}


def decode(data: bytes | memoryview) -> dict[str, Any]:
    """Decode one BSON document into the values that the engine works on.

    A subdocument with ``$ref`` and ``$id`` stays a plain ``dict`` in its key order: the ``bson`` package would turn it
    into a ``DBRef``, which forgets that order.

    Raises:
        bson.errors.InvalidBSON: the bytes are not one BSON document.
    """
    document = bson.decode(data, CODEC_OPTIONS)
    # One character is found much faster than several, and few documents have it.
    data = bytes(data)
    if b"$" in data and b"\x02$ref\x00" in data:
        raw = bson.decode(data, _RAW_OPTIONS)
        return {name: _plain(value) for name, value in raw.items()}
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, RawBSONDocument):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def milliseconds(value: dt.datetime | DatetimeMS) -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return int(value) if isinstance(value, DatetimeMS) else (value - _EPOCH) // _MILLISECOND


def _float_key(value: float) -> type_key:
    return (RANK_NAN,) if math.isnan(value) else (RANK_NUMBER, value)


def _decimal_key(value: Decimal128) -> type_key:
    number = value.to_decimal()
    return (RANK_NAN,) if number.is_nan() else (RANK_NUMBER, number)


def _object_key(value: dict[str, Any]) -> type_key:
    # Field by field: the type of the value, then the field's name, then the value.
    return (20, tuple(map(_field_key, value.items())))


def _field_key(field: tuple[str, Any]) -> type_key:
    key = order_key(field[1])
    return (RANK_NUMBER if key[0] == RANK_NAN else key[0], field[0], key)


def _array_key(value: list[Any]) -> type_key:
    return (25, tuple(map(order_key, value)))


def _binary_key(value: bytes) -> type_key:
    subtype = value.subtype if isinstance(value, Binary) else 0
    # Subtype 2 repeats its length inside the value, which counts when lengths are compared.
    return (30, len(value) + (4 if subtype == OLD_BINARY_SUBTYPE else 0), subtype, bytes(value))


def _code_key(value: Code) -> type_key:
    if value.scope is None:
        return (60, str(value))
    return (65, str(value), _object_key(dict(value.scope)))


def regex_flags(value: Regex[Any]) -> str:
    """The flags of a BSON regular expression as they are stored: letters in alphabetical order."""
    return "".join(letter for letter, bit in zip("ilmsux", (2, 4, 8, 16, 32, 64), strict=True) if value.flags & bit)


def _regex_key(value: Regex[Any]) -> type_key:
    pattern = value.pattern if isinstance(value.pattern, str) else value.pattern.decode("utf-8")
    return (50, pattern, regex_flags(value))


_KEYS: Final[Mapping[type, Callable[[Any], type_key]]] = {
    MinKey: lambda value: (-1,),
    Missing: lambda value: (RANK_MISSING,),
    type(None): lambda value: (RANK_NULL,),
    int: lambda value: (RANK_NUMBER, value),
    Int64: lambda value: (RANK_NUMBER, int(value)),
    float: _float_key,
    Decimal128: _decimal_key,
    str: lambda value: (15, value),
    dict: _object_key,
    list: _array_key,
    bytes: _binary_key,
    Binary: _binary_key,
    ObjectId: lambda value: (35, value.binary),
    bool: lambda value: (40, value),
    dt.datetime: lambda value: (45, milliseconds(value)),
    DatetimeMS: lambda value: (45, milliseconds(value)),
    Timestamp: lambda value: (47, value.time, value.inc),
    Regex: _regex_key,
    Code: _code_key,
    MaxKey: lambda value: (127,),
}


def rank(value: Any) -> int:
    """The canonical type number of a value."""
    number = RANKS[type(value)]
    return 65 if number == 60 and value.scope is not None else number


def order_key(value: Any) -> type_key:
    """The place of a value in BSON's total order, as a tuple.

    Two keys compare as MongoDB compares the values; they are equal, and hash equal, exactly when it calls the values
    equal: ``1``, ``1.0`` and ``Int64(1)`` are, NaN equals NaN and sorts below all numbers, the order of a document's
    fields matters.

    Raises:
        KeyError: the value is of a type that `decode` never gives.
    """
    return _KEYS[type(value)](value)


__all__ = ["CODEC_OPTIONS", "MISSING", "RANKS", "decode", "order_key", "rank", "regex_flags", "type_key"]
