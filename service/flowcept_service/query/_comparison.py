"""Predicates over one value: equality, order, membership. Each is compiled for the type of its operand."""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey

from flowcept_service.query._missing import MISSING
from flowcept_service.query._paths import ValuePredicate
from flowcept_service.query._values import RANK_MISSING, RANK_NAN, RANK_NULL, RANKS, milliseconds, order_key, rank

_MACHINE_NUMBERS: Final = frozenset({int, Int64, float})
_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def equals(operand: Any) -> ValuePredicate:
    """Equality as MongoDB has it: numbers by value, documents with the order of their fields, null also for missing."""
    kind = type(operand)
    if operand is None:
        return lambda value: value is None or value is MISSING
    if kind is str:
        return lambda value: type(value) is str and value == operand
    if kind is bool:
        return lambda value: value is operand
    if kind in _MACHINE_NUMBERS and not math.isnan(operand):
        return _number_comparison(operator.eq, operand)
    key, base = order_key(operand), RANKS[kind]
    return lambda value: RANKS[type(value)] == base and order_key(value) == key


def compares(name: str, operand: Any) -> ValuePredicate:
    """``$gt $gte $lt $lte``: only values of the operand's type compare; MinKey and MaxKey bound all types."""
    compare = _ORDER[name]
    kind = type(operand)
    if kind is str or kind is bool:
        return _same_type_comparison(compare, operand)
    if kind is dt.datetime:
        return _time_comparison(compare, operand)
    if kind in _MACHINE_NUMBERS and not math.isnan(operand):
        return _number_comparison(compare, operand)
    return _general_comparison(name, operand)


def _same_type_comparison(compare: Callable[[Any, Any], bool], operand: Any) -> ValuePredicate:
    kind = type(operand)
    return lambda value: type(value) is kind and compare(value, operand)


def _time_comparison(compare: Callable[[Any, Any], bool], operand: dt.datetime) -> ValuePredicate:
    number = milliseconds(operand)

    def predicate(value: Any) -> bool:
        if type(value) is dt.datetime:
            return compare(value, operand)
        return type(value) is DatetimeMS and compare(int(value), number)

    return predicate


def _number_comparison(compare: Callable[[Any, Any], bool], operand: float) -> ValuePredicate:
    key = order_key(operand)

    def predicate(value: Any) -> bool:
        kind = type(value)
        if kind is float or kind is int or kind is Int64:
            return compare(value, operand)  # False for a NaN value, as it must be
        if kind is not Decimal128:
            return False
        value_key = order_key(value)
        return value_key[0] != RANK_NAN and compare(value_key, key)

    return predicate


def _general_comparison(name: str, operand: Any) -> ValuePredicate:
    compare, key, operand_rank = _ORDER[name], order_key(operand), rank(operand)
    or_equal = name in ("$gte", "$lte")
    unbounded = (type(operand) is MinKey and name in ("$gt", "$gte")) or (
        type(operand) is MaxKey and name in ("$lt", "$lte")
    )

    def predicate(value: Any) -> bool:
        value_rank = RANKS[type(value)]
        if value_rank == 60:
            value_rank = rank(value)
        if value_rank != operand_rank:
            return unbounded or (or_equal and {value_rank, operand_rank} == {RANK_MISSING, RANK_NULL})
        value_key = order_key(value)
        if RANK_NAN in (value_key[0], key[0]):
            return or_equal and value_key == key
        return compare(value_key, key)

    return predicate


def is_in(operands: Sequence[Any]) -> ValuePredicate:
    """Membership in a list of values without regular expressions; null also stands for missing."""
    texts = frozenset(operand for operand in operands if type(operand) is str)
    with_null = any(operand is None for operand in operands)
    keys = frozenset(order_key(operand) for operand in operands if type(operand) is not str)
    if not keys:
        return lambda value: type(value) is str and value in texts

    def predicate(value: Any) -> bool:
        if type(value) is str:
            return value in texts
        if value is MISSING:
            return with_null
        return order_key(value) in keys

    return predicate
