"""The combinations of values that an index would hold for a document with arrays; sorting picks one of them.

Follows MongoDB's generator of index keys: all paths are walked together up to the first array, which is expanded once
for all of them; a numeric component may name an element of that array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flowcept_service.query._errors import invalid_field
from flowcept_service.query._missing import MISSING
from flowcept_service.query._paths import Document, array_as_document, array_index


@dataclass(frozen=True, slots=True)
class _Indexed:
    """An element that a path names by its index in the array being expanded, walked on as far as it goes."""

    element: Any
    found: Any
    remaining: str


def array_candidates(document: Document, paths: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """All combinations of values at the paths; null where a field is missing, `MISSING` for an empty array.

    Raises:
        InvalidArgumentError: two arrays would have to be expanded, or a numeric component is both index and field name.
    """
    nothing: list[_Indexed | None] = [None] * len(paths)
    return list(_expand(document, list(paths), [None] * len(paths), nothing))


def _expand(
    document: Document, paths: list[str], fixed: list[Any], indexed: list[_Indexed | None]
) -> Iterator[tuple[Any, ...]]:
    paths, fixed = list(paths), list(fixed)
    array: list[Any] | None = None
    in_array: list[int] = []
    expandable = True
    for position, path in enumerate(paths):
        if not path:
            continue
        value, paths[position], nested = _next(document, indexed[position], path)
        if value is MISSING:
            fixed[position], paths[position] = None, ""
        elif type(value) is list:
            in_array.append(position)
            if array is None:
                array = value
                expandable = expandable and not nested
            elif array is not value:
                raise invalid_field("sort", "a document has arrays in more than one of the fields", list(paths))
        else:
            fixed[position] = value
    if array is None:
        yield tuple(fixed)
        return
    if not array:
        yield from _expand_element(
            MISSING, array, paths=paths, fixed=fixed, in_array=in_array, indexed=[None] * len(paths), expandable=True
        )
        return
    elements: list[_Indexed | None] = [None] * len(paths)
    for position in in_array:
        elements[position] = _by_index(array, paths[position])
    for element in array:
        yield from _expand_element(
            element, array, paths=paths, fixed=fixed, in_array=in_array, indexed=elements, expandable=expandable
        )


def _expand_element(
    element: Any,
    array: list[Any],
    *,
    paths: list[str],
    fixed: list[Any],
    in_array: list[int],
    indexed: list[_Indexed | None],
    expandable: bool,
) -> Iterator[tuple[Any, ...]]:
    fixed = list(fixed)
    for position in in_array:
        if not paths[position]:
            fixed[position] = element if expandable else array
    yield from _expand(element if type(element) is dict else {}, paths, fixed, indexed)


def _next(document: Document, indexed: _Indexed | None, path: str) -> tuple[Any, str, bool]:
    """The next value on a path, what remains of it, and whether that value is an array directly inside an array."""
    in_document = path.partition(".")[0] in document
    if in_document and indexed is not None:
        raise invalid_field("sort", "a numeric part is both an array index and a field name in a document", path)
    if in_document:
        return (*_along(document, path), False)
    if indexed is not None:
        return indexed.found, indexed.remaining, type(indexed.element) is list
    return MISSING, path, False


def _along(document: Document, path: str) -> tuple[Any, str]:
    """Walk a path to its end, or to the first array on it."""
    head, _, rest = path.partition(".")
    value = document.get(head, MISSING)
    if value is MISSING or type(value) is list or not rest:
        return value, rest
    return _along(value, rest) if type(value) is dict else (MISSING, rest)


def _by_index(array: list[Any], path: str) -> _Indexed | None:
    index = array_index(path.partition(".")[0])
    if index is None or index >= len(array):
        return None
    found, remaining = _along(array_as_document(array), path)
    return _Indexed(array[index], found, remaining)
