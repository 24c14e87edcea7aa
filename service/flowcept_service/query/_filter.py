"""Compiles a Mongo-style filter into one closure over documents.

Two steps: each condition on a field becomes a small tree of `_Leaf`, `_Not` and `_All`; the tree is then bound either
to a path (walking arrays on the way) or, inside ``$elemMatch``, to a single array element.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bson.regex import Regex

from flowcept.errors import Reason
from flowcept_service.query._bits import BIT_OPERATORS
from flowcept_service.query._comparison import equals
from flowcept_service.query._errors import (
    FIELD_OPERATORS,
    MAX_PATH_DEPTH,
    UNSUPPORTED_OPERATORS,
    invalid_filter,
    unsupported_operator,
)
from flowcept_service.query._missing import MISSING
from flowcept_service.query._normalize import DEFAULT_FILTER_LIMITS, FilterLimits, normalized_filter
from flowcept_service.query._operators import VALUE_OPERATORS, is_true
from flowcept_service.query._paths import Document, DocumentPredicate, ValuePredicate, any_value, array_as_document
from flowcept_service.query._regex import matches_operand, matches_regex

_COMPILERS = {**VALUE_OPERATORS, **BIT_OPERATORS}


@dataclass(frozen=True, slots=True)
class _Leaf:
    predicate: ValuePredicate
    leaf_arrays: bool = True
    """Whether an array at the end of the path is also tried element by element; for ``$size`` it is not."""


@dataclass(frozen=True, slots=True)
class _Not:
    condition: _Condition


@dataclass(frozen=True, slots=True)
class _All:
    conditions: tuple[_Condition, ...]


_Condition = _Leaf | _Not | _All


def compile_filter(
    filter: Mapping[str, Any], limits: FilterLimits = DEFAULT_FILTER_LIMITS
) -> Callable[[Document], bool]:
    """Compile a filter once; the result says of each document whether it matches.

    Documents are as `decode` gives them. The language is MongoDB's: equality, ``$eq $ne $gt $gte $lt $lte $in $nin``,
    ``$and $or $nor $not``, ``$exists $type``, ``$regex $options`` (flags i m s x), ``$mod $size $all $elemMatch`` and
    the ``$bits...`` family, dotted and indexed paths, implicit traversal of arrays. What is not evaluated exactly is
    refused.

    Args:
        filter: Any mapping that BSON can encode; the empty one matches everything.
        limits: How large it may be.

    Raises:
        InvalidArgumentError: reason ``INVALID_FILTER`` (malformed, too deep, too large), ``UNSUPPORTED_OPERATOR`` or
            ``INVALID_FIELD`` (a path with an empty part); the metadata has ``field`` and ``operator``.
    """
    return compile_normalized(normalized_filter(filter, limits))


def compile_normalized(filter: Document) -> DocumentPredicate:
    """`compile_filter` for a filter that `normalized_filter` returned."""
    return conjunction([_compile_entry(name, operand) for name, operand in filter.items()])


def conjunction(predicates: list[DocumentPredicate]) -> DocumentPredicate:
    """All of the predicates, in order; the first false one decides."""
    if not predicates:
        return lambda document: True
    if len(predicates) == 1:
        return predicates[0]
    if len(predicates) == 2:
        first, second = predicates
        return lambda document: first(document) and second(document)
    rest = tuple(predicates)

    def every(document: Document) -> bool:
        for predicate in rest:  # noqa: SIM110  # a generator in all() takes twice as long
            if not predicate(document):
                return False
        return True

    return every


def _disjunction(predicates: list[DocumentPredicate]) -> DocumentPredicate:
    if len(predicates) == 1:
        return predicates[0]
    alternatives = tuple(predicates)

    def some(document: Document) -> bool:
        for predicate in alternatives:  # noqa: SIM110  # a generator in any() takes twice as long
            if predicate(document):
                return True
        return False

    return some


def _compile_entry(name: str, operand: Any) -> DocumentPredicate:
    if name.startswith("$"):
        return _compile_logical(name, operand)
    parts = name.split(".")
    if len(parts) > MAX_PATH_DEPTH:
        raise invalid_filter(f"a path has at most {MAX_PATH_DEPTH} parts", field=name)
    if not all(parts):
        # Not only vague: MongoDB 6.0 crashes when its planner meets $elemMatch on an empty path.
        raise invalid_filter("a path has no empty part", field=name or "(empty)", reason=Reason.INVALID_FIELD)
    return _bind_to_path(name, _condition(name, operand))


def _compile_logical(name: str, operand: Any) -> DocumentPredicate:
    if name not in ("$and", "$or", "$nor"):
        raise unsupported_operator(name, field="", logical=True)
    if type(operand) is not list or not operand:
        raise invalid_filter("needs a list of at least one filter", field="", operator=name, value=operand)
    for item in operand:
        if type(item) is not dict:
            raise invalid_filter("takes filters only", field="", operator=name, value=item)
    parts = [compile_normalized(item) for item in operand]
    if name == "$and":
        return conjunction(parts)
    some = _disjunction(parts)
    return some if name == "$or" else lambda document: not some(document)


def is_operator_document(operand: Any) -> bool:
    """Whether the operand of a field is a document of operators rather than a value to equal."""
    return type(operand) is dict and next(iter(operand), "").startswith("$")


def _condition(field: str, operand: Any) -> _Condition:
    """The condition that ``{field: operand}`` states."""
    if type(operand) is Regex:
        return _Leaf(matches_regex(field, operand))
    if is_operator_document(operand):
        return _operators(field, operand)
    return _Leaf(equals(operand))


def _operators(field: str, operators: Document) -> _Condition:
    conditions: list[_Condition] = []
    for name, operand in operators.items():
        if name == "$regex":
            conditions.append(_Leaf(matches_operand(field, operators)))
        elif name == "$options":
            if "$regex" not in operators:
                raise invalid_filter("needs a $regex beside it", field=field, operator=name)
        else:
            conditions.append(_operator(field, name, operand))
    return conditions[0] if len(conditions) == 1 else _All(tuple(conditions))


def _operator(field: str, name: str, operand: Any) -> _Condition:
    compiler = _COMPILERS.get(name)
    if compiler is not None:
        return _Leaf(compiler(field, name, operand), leaf_arrays=name != "$size")
    if name == "$ne":
        if type(operand) is Regex:
            raise invalid_filter("takes no regular expression; use $not", field=field, operator=name, value=operand)
        return _Not(_Leaf(equals(operand)))
    if name == "$nin":
        return _Not(_Leaf(VALUE_OPERATORS["$in"](field, name, operand)))
    if name == "$exists":
        present = _Leaf(lambda value: value is not MISSING)
        return present if is_true(operand) else _Not(present)
    if name == "$not":
        return _negation(field, operand)
    if name == "$elemMatch":
        return _Leaf(_element_match(field, operand), leaf_arrays=False)
    if name == "$all":
        return _contains_all(field, operand)
    raise unsupported_operator(name, field=field, logical=False)


def _negation(field: str, operand: Any) -> _Condition:
    if type(operand) is Regex:
        return _Not(_Leaf(matches_regex(field, operand)))
    if type(operand) is not dict or not operand:
        raise invalid_filter(
            "needs operators or a regular expression; to compare with a value, use $ne",
            field=field,
            operator="$not",
            value=operand,
        )
    if not is_operator_document(operand):
        raise unsupported_operator(next(iter(operand)), field=field, logical=False)
    return _Not(_operators(field, operand))


def _contains_all(field: str, operand: Any) -> _Condition:
    if type(operand) is not list:
        raise invalid_filter("needs a list", field=field, operator="$all", value=operand)
    if not operand:
        return _Leaf(lambda value: False)
    if type(operand[0]) is dict and next(iter(operand[0]), "") == "$elemMatch":
        for item in operand:
            if type(item) is not dict or list(item) != ["$elemMatch"]:
                raise invalid_filter(
                    "takes either only values or only $elemMatch", field=field, operator="$all", value=item
                )
        return _All(tuple(_operator(field, "$elemMatch", item["$elemMatch"]) for item in operand))
    return _All(tuple(_contained(field, item) for item in operand))


def _contained(field: str, item: Any) -> _Condition:
    """One value of ``$all``; a document is data unless it begins with the name of an operator."""
    if type(item) is Regex:
        return _Leaf(matches_regex(field, item))
    name = next(iter(item), "") if type(item) is dict else ""
    if name in UNSUPPORTED_OPERATORS or name == "$not":
        raise unsupported_operator(name, field=field, logical=False)
    if name in FIELD_OPERATORS:
        raise invalid_filter("operators cannot stand inside the list", field=field, operator="$all", value=item)
    return _Leaf(equals(item))


def _element_match(field: str, operand: Any) -> ValuePredicate:
    """``$elemMatch``: some element meets all conditions at once, as a value or as a document."""
    if type(operand) is not dict:
        raise invalid_filter("needs a document of conditions", field=field, operator="$elemMatch", value=operand)
    if is_operator_document(operand) and next(iter(operand)) not in ("$and", "$or", "$nor"):
        of_value = _bind_to_value(_operators(field, operand))
        return lambda value: type(value) is list and any(map(of_value, value))
    of_document = compile_normalized(operand)

    def predicate(value: Any) -> bool:
        if type(value) is not list:
            return False
        for item in value:
            if type(item) is dict:
                if of_document(item):
                    return True
            elif type(item) is list and of_document(array_as_document(item)):
                return True
        return False

    return predicate


def _bind_to_path(path: str, condition: _Condition) -> DocumentPredicate:
    if isinstance(condition, _Leaf):
        return any_value(path, condition.predicate, leaf_arrays=condition.leaf_arrays)
    if isinstance(condition, _Not):
        inner = _bind_to_path(path, condition.condition)
        return lambda document: not inner(document)
    return conjunction([_bind_to_path(path, part) for part in condition.conditions])


def _bind_to_value(condition: _Condition) -> ValuePredicate:
    if isinstance(condition, _Leaf):
        return condition.predicate
    if isinstance(condition, _Not):
        inner = _bind_to_value(condition.condition)
        return lambda value: not inner(value)
    return conjunction([_bind_to_value(part) for part in condition.conditions])
