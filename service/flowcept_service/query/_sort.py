"""Sorting in BSON order, with MongoDB's rules for arrays.

A field that is missing sorts as null. An array sorts by its least element (ascending) or its greatest (descending), the
empty array before null. With several keys the element is chosen for all of them together, as an index over them would
hold it, and at most one array may be involved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from flowcept.errors import Reason, ResourceExhaustedError
from flowcept_service.query._errors import invalid_field
from flowcept_service.query._fields import checked_path
from flowcept_service.query._missing import MISSING
from flowcept_service.query._paths import Document
from flowcept_service.query._sort_arrays import array_candidates
from flowcept_service.query._values import order_key, type_key

MAX_SORT_KEYS: Final = 32
"""Fields in one sort."""

Keys = tuple[type_key, ...]
SortKey = Callable[[Document], Keys]
SortSpecification = tuple[tuple[str, int], ...]

_ENTRY_OVERHEAD: Final = 300  # bytes that a kept document costs beside its payload: tuples, keys, the list's slot
_HAS_ARRAY: Final = object()


def checked_sort(sort: Iterable[tuple[str, int]]) -> SortSpecification:
    """The sort as (path, 1 or -1) pairs.

    Raises:
        InvalidArgumentError: reason ``INVALID_FIELD``.
    """
    checked: list[tuple[str, int]] = []
    for item in sort:
        if isinstance(item, str) or not isinstance(item, Sequence) or len(item) != 2:
            raise invalid_field("sort", "needs pairs of field path and direction", item)
        path, direction = item
        if isinstance(direction, bool) or not isinstance(direction, int | float) or direction not in (1, -1):
            raise invalid_field("sort", "a direction is 1 (ascending) or -1 (descending)", item)
        checked.append((checked_path("sort", path), int(direction)))
    if len({path for path, _ in checked}) != len(checked):
        raise invalid_field("sort", "names a field twice", checked)
    if len(checked) > MAX_SORT_KEYS:
        raise invalid_field("sort", f"has at most {MAX_SORT_KEYS} fields", len(checked))
    return tuple(checked)


def sort_key(sort: SortSpecification) -> SortKey:
    """Compile a sort that `checked_sort` returned into a function from a document to its keys, one for each field.

    The keys compare in ascending order; apply the directions field by field, as `order` does. The function raises
    `InvalidArgumentError` for a document in which two arrays would have to be expanded.
    """
    paths = tuple(path for path, _ in sort)
    if len(paths) == 1 and "." not in paths[0]:
        return _single_field(paths[0], sort)
    parts = tuple(tuple(path.split(".")) for path in paths)

    def keys(document: Document) -> Keys:
        values = [_value_without_arrays(document, path) for path in parts]
        if any(value is _HAS_ARRAY for value in values):
            return _best(array_candidates(document, paths), sort)
        return tuple(map(order_key, values))

    return keys


def _single_field(name: str, sort: SortSpecification) -> SortKey:
    def key(document: Document) -> Keys:
        value = document.get(name)
        if type(value) is list:
            return _best([(item,) for item in value] or [(MISSING,)], sort)
        return (order_key(value),)

    return key


def _value_without_arrays(document: Document, parts: tuple[str, ...]) -> Any:
    value: Any = document
    for part in parts:
        if type(value) is list:
            return _HAS_ARRAY
        if type(value) is not dict:
            return None
        value = value.get(part)
    return _HAS_ARRAY if type(value) is list else value


def _best(candidates: Iterable[tuple[Any, ...]], sort: SortSpecification) -> Keys:
    """The combination of values that sorts first; `MISSING` stands for an empty array."""
    entries = [(tuple(map(order_key, values)), b"") for values in candidates]
    order(entries, sort)
    return entries[0][0]


def order(entries: list[tuple[Keys, bytes]], sort: SortSpecification) -> None:
    """Sort entries in place, stable, by several keys with their directions."""
    for position in range(len(sort) - 1, -1, -1):
        of_key = itemgetter(position)
        entries.sort(key=lambda entry: of_key(entry[0]), reverse=sort[position][1] < 0)  # called at once


def sorted_payloads(
    entries: Iterable[tuple[Document, bytes | None]],
    sort: SortSpecification,
    *,
    key: SortKey,
    encode: Callable[[Document], bytes],
    keep: int,
    max_bytes: int,
) -> list[bytes]:
    """Sort documents, holding of each only its keys and its encoded form.

    Args:
        entries: Documents, each with its encoded form where the caller has it already.
        sort: Paths and directions.
        key: `sort_key` of it.
        encode: Makes the encoded form of a document that came without.
        keep: How many of the first documents are wanted; 0 for all. Memory is proportional to it.
        max_bytes: Bound on what is held.

    Raises:
        ResourceExhaustedError: reason ``RESULT_TOO_LARGE``: more than ``max_bytes`` would be held.
    """
    held: list[tuple[Keys, bytes]] = []
    size = 0
    full = 2 * keep + 1_000  # sorting only now and then makes the cost of each document logarithmic in `keep`
    last: type_key | None = None
    descending = sort[0][1] < 0
    for document, given in entries:
        keys = key(document)
        if last is not None and (keys[0] < last if descending else keys[0] > last):
            continue
        payload = encode(document) if given is None else given
        held.append((keys, payload))
        size += len(payload) + _ENTRY_OVERHEAD
        if keep and len(held) >= full:
            order(held, sort)
            del held[keep:]
            last = held[-1][0][0]
            size = sum(len(item) + _ENTRY_OVERHEAD for _, item in held)
        if size > max_bytes:
            raise ResourceExhaustedError(
                f"Sorting holds more than {max_bytes} bytes of matching documents; "
                "give a smaller limit, a narrower filter or a projection.",
                reason=Reason.RESULT_TOO_LARGE,
                limit_bytes=max_bytes,
            )
    order(held, sort)
    return [payload for _, payload in (held[:keep] if keep else held)]
