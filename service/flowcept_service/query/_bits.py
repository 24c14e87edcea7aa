"""``$bitsAllSet``, ``$bitsAllClear``, ``$bitsAnySet`` and ``$bitsAnyClear``, on integers and binary data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN
from typing import Any, Final

from bson.binary import OLD_BINARY_SUBTYPE, Binary
from bson.decimal128 import Decimal128

from flowcept_service.query._errors import invalid_filter
from flowcept_service.query._operators import integer_of
from flowcept_service.query._paths import ValuePredicate

MAX_BIT_POSITION: Final = 8_191
"""The highest bit position that an operand may name."""

_MAX_BYTES: Final = (MAX_BIT_POSITION + 1) // 8


def _positions(field: str, operator: str, operand: Any) -> frozenset[int]:
    """The bit positions that the operand names, as a list, as a mask, or as binary data (lowest byte first)."""
    if type(operand) is list:
        positions = [integer_of(item) for item in operand]
        if any(position is None or not 0 <= position <= MAX_BIT_POSITION for position in positions):
            raise invalid_filter(
                f"needs bit positions from 0 to {MAX_BIT_POSITION}", field=field, operator=operator, value=operand
            )
        return frozenset(position for position in positions if position is not None)
    if type(operand) in (bytes, Binary):
        if len(_stored(operand)) > _MAX_BYTES:
            raise invalid_filter(f"takes at most {_MAX_BYTES} bytes", field=field, operator=operator)
        mask = int.from_bytes(_stored(operand), "little")
    else:
        number = integer_of(operand)
        if number is None or number < 0:
            raise invalid_filter(
                "needs a whole number from zero, a list of bit positions, or binary data",
                field=field,
                operator=operator,
                value=operand,
            )
        mask = number
    return frozenset(position for position in range(mask.bit_length()) if mask >> position & 1)


def _stored(value: bytes) -> bytes:
    """The bytes as BSON holds them: subtype 2 repeats the length in front of the data."""
    if isinstance(value, Binary) and value.subtype == OLD_BINARY_SUBTYPE:
        return len(value).to_bytes(4, "little") + value
    return value


def _test(positions: frozenset[int], judge: Callable[[int, int], bool]) -> ValuePredicate:
    """Apply ``judge(bits, mask)`` to integers (two's complement, the sign going on above bit 63) and binary data."""
    mask_of_bytes = sum(1 << position for position in positions)
    mask_of_number = sum(1 << position for position in {min(position, 63) for position in positions})

    def predicate(value: Any) -> bool:
        kind = type(value)
        if kind is bytes or kind is Binary:
            return judge(int.from_bytes(_stored(value)[:_MAX_BYTES], "little"), mask_of_bytes)
        number = _decimal_bits(value) if kind is Decimal128 else integer_of(value)
        return number is not None and judge(number, mask_of_number)

    return predicate


_JUDGES: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "$bitsAllSet": lambda bits, mask: bits & mask == mask,
    "$bitsAllClear": lambda bits, mask: bits & mask == 0,
    "$bitsAnySet": lambda bits, mask: bits & mask != 0,
    "$bitsAnyClear": lambda bits, mask: bits & mask != mask,
}


def _decimal_bits(value: Decimal128) -> int:
    """A decimal rounded to int64; what does not fit is the least int64, as the decimal library of MongoDB has it."""
    number = value.to_decimal()
    if not number.is_finite() or abs(number) > 2**64:
        return -(2**63)
    whole = int(number.to_integral_value(rounding=ROUND_HALF_EVEN))
    return whole if -(2**63) <= whole < 2**63 else -(2**63)


def _bits(field: str, operator: str, operand: Any) -> ValuePredicate:
    return _test(_positions(field, operator, operand), _JUDGES[operator])


BIT_OPERATORS: Final[Mapping[str, Callable[[str, str, Any], ValuePredicate]]] = dict.fromkeys(_JUDGES, _bits)
