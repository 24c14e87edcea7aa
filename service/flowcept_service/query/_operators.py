"""Compiles the operand of each field operator into a predicate over one value; refuses operands as MongoDB does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN
from typing import Any, Final

from bson.code import Code
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.regex import Regex

from flowcept_service.query._comparison import compares, equals, is_in
from flowcept_service.query._errors import invalid_filter, unsupported_operator
from flowcept_service.query._paths import ValuePredicate
from flowcept_service.query._regex import matches_regex
from flowcept_service.query._values import RANKS

_NUMBER_TYPES: Final = frozenset({int, Int64, float, Decimal128})
_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)

_TYPE_CODES: Final[Mapping[str, int]] = {
    "double": 1,
    "string": 2,
    "object": 3,
    "array": 4,
    "binData": 5,
    "undefined": 6,
    "objectId": 7,
    "bool": 8,
    "date": 9,
    "null": 10,
    "regex": 11,
    "dbPointer": 12,
    "javascript": 13,
    "symbol": 14,
    "javascriptWithScope": 15,
    "int": 16,
    "timestamp": 17,
    "long": 18,
    "decimal": 19,
    "minKey": -1,
    "maxKey": 127,
}
_CODES_BY_RANK: Final[Mapping[int, int]] = {
    -1: -1,
    0: 0,  # missing: no type, matches none
    5: 10,
    15: 2,
    20: 3,
    25: 4,
    30: 5,
    35: 7,
    40: 8,
    45: 9,
    47: 17,
    50: 11,
    127: 127,
}


def integer_of(value: Any) -> int | None:
    """The value as an integer, when it is a number without fraction in the range of int64."""
    if type(value) not in _NUMBER_TYPES:
        return None
    number = value.to_decimal() if type(value) is Decimal128 else value
    if not math.isfinite(number) or abs(number) > 2**64 or number != int(number) or int(number) not in _INT64:
        return None
    return int(number)


def truncated(value: Any) -> int | None:
    """The value as an integer, its fraction cut off; None when it is no finite number in the range of int64."""
    if type(value) not in _NUMBER_TYPES:
        return None
    if type(value) is Decimal128:
        number = value.to_decimal()
        if not number.is_finite() or abs(number) > 2**64:
            return None
        whole = int(number.to_integral_value(rounding=ROUND_DOWN))
    else:
        if not math.isfinite(value):
            return None
        whole = int(value)
    return whole if whole in _INT64 else None


def comparison(field: str, operator: str, operand: Any) -> ValuePredicate:
    """``$gt $gte $lt $lte``."""
    if type(operand) is Regex:
        raise invalid_filter(
            "a regular expression has no order; use $regex", field=field, operator=operator, value=operand
        )
    return compares(operator, operand)


def membership(field: str, operator: str, operand: Any) -> ValuePredicate:
    """``$in`` (and ``$nin``, its negation): values, and regular expressions that match strings."""
    if type(operand) is not list:
        raise invalid_filter("needs a list", field=field, operator=operator, value=operand)
    for item in operand:
        name = next(iter(item), "") if type(item) is dict else ""
        if name in ("$ref", "$id", "$db"):
            raise unsupported_operator(name, field=field, logical=False)
        if name.startswith("$"):
            raise invalid_filter("operators cannot stand inside the list", field=field, operator=operator, value=item)
    patterns = [matches_regex(field, item) for item in operand if type(item) is Regex]
    plain = is_in([item for item in operand if type(item) is not Regex])
    if not patterns:
        return plain
    return lambda value: plain(value) or any(pattern(value) for pattern in patterns)


def is_true(operand: Any) -> bool:
    """Truth as MongoDB has it: false, null and zero are false, everything else is true."""
    if type(operand) is Decimal128:
        return bool(operand.to_decimal() != 0)
    if type(operand) in _NUMBER_TYPES or type(operand) is bool:
        return bool(operand)
    return operand is not None


def type_code(value: Any) -> int:
    """BSON's number for the type of a value; an ``int`` beyond int32 is a long."""
    kind = type(value)
    if kind is int:
        return 16 if value in _INT32 else 18
    if kind is Int64:
        return 18
    if kind is float:
        return 1
    if kind is Decimal128:
        return 19
    if kind is Code:
        return 13 if value.scope is None else 15
    return _CODES_BY_RANK[RANKS[kind]]


def of_type(field: str, operator: str, operand: Any) -> ValuePredicate:
    """``$type``: a name, a number, ``"number"``, or a list of them."""
    wanted: set[int] = set()
    specifications = operand if type(operand) is list else [operand]
    if not specifications:
        raise invalid_filter("needs at least one type", field=field, operator=operator)
    for item in specifications:
        if item == "number" and type(item) is str:
            wanted.update((1, 16, 18, 19))
        elif type(item) is str and item in _TYPE_CODES:
            wanted.add(_TYPE_CODES[item])
        elif integer_of(item) in _TYPE_CODES.values():
            wanted.add(integer_of(item) or 0)
        else:
            names = ", ".join(_TYPE_CODES)
            raise invalid_filter(f"knows the types number, {names}", field=field, operator=operator, value=item)
    return lambda value: type_code(value) in wanted


def modulo(field: str, operator: str, operand: Any) -> ValuePredicate:
    """``$mod: [divisor, remainder]``: fractions are cut off, the remainder has the sign of the value."""
    if type(operand) is not list or len(operand) != 2:
        raise invalid_filter("needs a list of divisor and remainder", field=field, operator=operator, value=operand)
    divisor, remainder = truncated(operand[0]), truncated(operand[1])
    if divisor is None or remainder is None or divisor == 0:
        raise invalid_filter(
            "needs finite numbers in the range of int64, the divisor not zero",
            field=field,
            operator=operator,
            value=operand,
        )
    size = abs(divisor)

    def predicate(value: Any) -> bool:
        number = truncated(value)
        if number is None:
            return False
        rest = abs(number) % size
        return (rest if number >= 0 else -rest) == remainder

    return predicate


def has_size(field: str, operator: str, operand: Any) -> ValuePredicate:
    """``$size``: an array of exactly that many elements."""
    size = integer_of(operand)
    if size is None or size < 0 or size not in _INT32:
        raise invalid_filter("needs a whole number from 0 to 2147483647", field=field, operator=operator, value=operand)
    return lambda value: type(value) is list and len(value) == size


Compiler = Callable[[str, str, Any], ValuePredicate]

VALUE_OPERATORS: Final[Mapping[str, Compiler]] = {
    "$eq": lambda field, operator, operand: equals(operand),
    "$gt": comparison,
    "$gte": comparison,
    "$lt": comparison,
    "$lte": comparison,
    "$in": membership,
    "$type": of_type,
    "$mod": modulo,
    "$size": has_size,
}
"""Operators whose operand alone makes the predicate. The others are composed in `_filter`."""
