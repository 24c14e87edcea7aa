"""Walking a dotted path through documents and arrays, as MongoDB matches it.

A path yields zero or more values: every element of an array on its way, the array itself where the path ends at it, the
array's element where a component is its index, and `MISSING` where a document lacks the field. A name in a document
that itself contains a dot is never reached by a path, on any store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowcept_service.query._missing import MISSING

Document = dict[str, Any]
ValuePredicate = Callable[[Any], bool]
DocumentPredicate = Callable[[Document], bool]


def array_index(component: str) -> int | None:
    """The array index that a path component names, if any: ``"0"`` and ``"12"`` do, ``"01"`` and ``"-1"`` do not."""
    if component.isascii() and component.isdigit() and (component == "0" or component[0] != "0"):
        return int(component)
    return None


def array_as_document(array: list[Any]) -> Document:
    """The array as BSON stores it: a document whose field names are the indexes."""
    return {str(index): item for index, item in enumerate(array)}


def any_value(path: str, predicate: ValuePredicate, *, leaf_arrays: bool) -> DocumentPredicate:
    """Compile ``does any value at this path satisfy the predicate?``.

    Args:
        path: Dotted path.
        predicate: Called with each value the path yields, or `MISSING`.
        leaf_arrays: Whether an array at the end of the path yields its elements before itself; without, only itself.
    """
    return _walk(tuple(path.split(".")), predicate, leaf_arrays)


def _walk(parts: tuple[str, ...], predicate: ValuePredicate, leaf_arrays: bool) -> DocumentPredicate:
    head, rest = parts[0], parts[1:]
    if not rest:
        return _leaf(head, predicate) if leaf_arrays else lambda document: predicate(document.get(head, MISSING))
    inner = _walk(rest, predicate, leaf_arrays)
    through_array = _walk_array(rest, predicate, leaf_arrays, inner)
    when_missing = predicate(MISSING)

    def branch(document: Document) -> bool:
        value = document.get(head, MISSING)
        kind = type(value)
        if kind is dict:
            return inner(value)
        if kind is list:
            return through_array(value)
        return when_missing

    return branch


def _leaf(name: str, predicate: ValuePredicate) -> DocumentPredicate:
    def leaf(document: Document) -> bool:
        value = document.get(name, MISSING)
        if type(value) is list:
            for item in value:
                if predicate(item):
                    return True
        return predicate(value)

    return leaf


def _walk_array(
    rest: tuple[str, ...], predicate: ValuePredicate, leaf_arrays: bool, inner: DocumentPredicate
) -> Callable[[list[Any]], bool]:
    """An array with more path to go: into each subdocument, and into the element that the next component may index."""
    index = array_index(rest[0])
    if index is None:
        return lambda array: any(type(item) is dict and inner(item) for item in array)
    # The indexed element is not traversed when the path ends there: {"a.0": 1} does not match {"a": [[1]]}.
    beyond = _walk(rest[1:], predicate, leaf_arrays) if len(rest) > 1 else None
    nested = _walk_array(rest[1:], predicate, leaf_arrays, beyond) if beyond is not None else None

    def through(array: list[Any]) -> bool:
        for position, item in enumerate(array):
            if type(item) is dict and inner(item):
                return True
            if position == index:
                if beyond is None:
                    if predicate(item):
                        return True
                elif type(item) is dict:
                    if beyond(item):
                        return True
                elif type(item) is list and nested is not None and nested(item):
                    return True
        return False

    return through
