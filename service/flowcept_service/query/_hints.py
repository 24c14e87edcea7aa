"""What a filter pins, for the secondary indexes of a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowcept_service.query._paths import Document


@dataclass(frozen=True, slots=True)
class Hints:
    """Conditions that every matching document meets.

    Attributes:
        equalities: By field path, strings of which a matching document has at least one there: as the value itself, or
            as an element of an array. The empty set says that nothing matches.
        covered_by: The field whose entry in ``equalities`` is the whole filter: documents found by an index over it
            need not be matched again. None when the filter says more.
    """

    equalities: Mapping[str, frozenset[str]]
    covered_by: str | None


def equality_hints(filter: Document) -> Hints:
    """Find the fields that a filter pins to strings by equality or ``$in``, outside ``$or``, ``$nor`` and ``$not``.

    Where several conditions pin one field, the smallest set is kept; all of them hold, but an array may meet each with
    another element, so they cannot be intersected.

    Args:
        filter: A filter that `parse_query` accepted (``Query.filter``).
    """
    equalities: dict[str, frozenset[str]] = {}
    conditions = 0
    for field, values in _pinned(filter):
        conditions += 1
        if values is not None and (field not in equalities or len(values) < len(equalities[field])):
            equalities[field] = values
    covered = next(iter(equalities)) if conditions == 1 and len(equalities) == 1 else None
    return Hints(equalities, covered)


def _pinned(filter: Document) -> Iterator[tuple[str, frozenset[str] | None]]:
    """Every condition that must hold; with the strings it allows, or None when it pins no strings."""
    for name, operand in filter.items():
        if name == "$and":
            for part in operand:
                yield from _pinned(part)
        elif name.startswith("$"):
            yield name, None
        elif type(operand) is dict and next(iter(operand), "").startswith("$"):
            for operator, value in operand.items():
                yield name, _strings(operator, value)
        else:
            yield name, _strings("$eq", operand)


def _strings(operator: str, operand: Any) -> frozenset[str] | None:
    if operator == "$eq" and type(operand) is str:
        return frozenset((operand,))
    if operator == "$in" and all(type(item) is str for item in operand):
        return frozenset(operand)
    return None
