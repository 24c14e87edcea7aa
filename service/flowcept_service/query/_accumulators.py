"""The accumulators of an aggregation: one for each group and field, fed with one value for each document."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

import bson
from bson.decimal128 import Decimal128, create_decimal128_context
from bson.int64 import Int64

from flowcept_service.query._missing import MISSING
from flowcept_service.query._values import CODEC_OPTIONS, order_key, type_key

_DECIMAL: Final = create_decimal128_context()
_INT32: Final = range(-(2**31), 2**31)
_INT64: Final = range(-(2**63), 2**63)


def encoded_size(value: Any) -> int:
    """About how many bytes a value takes as BSON."""
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value)
    if kind is dict or kind is list:
        return len(bson.encode({"": value}, codec_options=CODEC_OPTIONS))
    return 16


class Accumulator(Protocol):
    """Takes values, gives a result; memory does not grow with the number of values."""

    def add(self, value: Any) -> int:
        """Take a value into account; returns by how many bytes what is held has grown (or shrunk)."""
        ...

    def result(self) -> Any:
        """The result for the values so far."""
        ...


class _Total:
    """A running sum as MongoDB keeps it: doubles with their rounding error carried along, decimals apart.

    The steps are those of MongoDB, in their order, so that the last digit is the same: an error is added to the next
    value, and what the last addition leaves is not part of a result in doubles.
    """

    __slots__ = ("_carry", "_decimal", "_plain", "_sum", "count", "has_decimal", "has_double", "has_long", "integers")

    def __init__(self) -> None:
        self.count = 0
        self.integers = 0
        self.has_long = self.has_double = self.has_decimal = False
        self._sum = self._carry = self._plain = 0.0
        self._decimal = Decimal(0)

    def add(self, value: Any) -> None:
        kind = type(value)
        if kind is float:
            self.has_double = True
            self._add_double(value)
        elif kind is int and value in _INT32:
            self.integers += value
            self._add_double(float(value))
        elif kind is int or kind is Int64:
            self.has_long = True
            self.integers += int(value)
            high = _upper_half(int(value))
            self._add_double(float(int(value) - high))
            self._add_double(float(high))
        elif kind is Decimal128:
            self.has_decimal = True
            self._decimal = _DECIMAL.add(self._decimal, value.to_decimal())
        else:
            return
        self.count += 1

    def _add_double(self, value: float) -> None:
        self._plain += value  # the answer when infinities make the compensated sum NaN
        corrected = value + self._carry
        self._carry -= corrected - value
        before = self._sum
        self._sum = before + corrected
        other = self._sum - before
        self._carry += (before - (self._sum - other)) + (corrected - other)

    def result(self) -> int | float | Decimal128:
        """The sum in the widest type among the values: decimal, double, int64, int32; a double also on overflow."""
        if self.has_decimal:
            return Decimal128(self._with_decimals())
        if self.has_double or self.integers not in _INT64:
            return self._plain if math.isnan(self._sum) else self._sum
        if self.has_long or self.integers not in _INT32:
            return Int64(self.integers)
        return self.integers

    def _with_decimals(self) -> Decimal:
        if math.isfinite(self._sum):
            doubles = _DECIMAL.add(_rounded(self._sum), _rounded(self._carry))
        else:
            doubles = _rounded(self._plain)
        return _DECIMAL.add(self._decimal, doubles)


def _upper_half(value: int) -> int:
    """The part of an integer above its lowest 32 bits, rounded toward zero; as exact in a double as the rest is."""
    return (abs(value) >> 32 << 32) * (1 if value >= 0 else -1)


def _rounded(value: float) -> Decimal:
    return _DECIMAL.create_decimal_from_float(value)


class _Sum:
    __slots__ = ("_total",)

    def __init__(self) -> None:
        self._total = _Total()

    def add(self, value: Any) -> int:
        self._total.add(value)
        return 0

    def result(self) -> Any:
        return self._total.result()


class _Average:
    __slots__ = ("_total",)

    def __init__(self) -> None:
        self._total = _Total()

    def add(self, value: Any) -> int:
        self._total.add(value)
        return 0

    def result(self) -> Any:
        count = self._total.count
        if not count:
            return None
        total = self._total.result()
        if isinstance(total, Decimal128):
            return Decimal128(_DECIMAL.divide(total.to_decimal(), Decimal(count)))
        return float(total) / count


class _Extreme:
    """The least or greatest value in BSON order, of all types; null and missing do not count."""

    __slots__ = ("_key", "_sign", "_size", "_value")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._key: type_key | None = None
        self._value: Any = None
        self._size = 0

    def add(self, value: Any) -> int:
        if value is None or value is MISSING:
            return 0
        key = order_key(value)
        if self._key is not None and (key >= self._key if self._sign < 0 else key <= self._key):
            return 0
        before, self._size = self._size, encoded_size(value)
        self._key, self._value = key, value
        return self._size - before

    def result(self) -> Any:
        return self._value


class _Count:
    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def add(self, value: Any) -> int:
        if value is not None and value is not MISSING:
            self._count += 1
        return 0

    def result(self) -> Any:
        return self._count if self._count in _INT32 else Int64(self._count)


ACCUMULATORS: Final[Mapping[str, Callable[[], Accumulator]]] = {
    "avg": _Average,
    "sum": _Sum,
    "min": lambda: _Extreme(-1),
    "max": lambda: _Extreme(1),
    "count": _Count,
}
"""By operator, what makes a fresh accumulator."""
