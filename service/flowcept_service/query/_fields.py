"""Checks on the field paths of projections, sorts and aggregations, and how an aggregation reads one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowcept_service.query._errors import MAX_PATH_DEPTH, invalid_field
from flowcept_service.query._missing import MISSING
from flowcept_service.query._paths import Document


def checked_path(argument: str, path: object) -> str:
    """The path, when MongoDB takes it outside filters: no empty component, none that begins with ``$``.

    Raises:
        InvalidArgumentError: reason ``INVALID_FIELD``.
    """
    if not isinstance(path, str) or not path:
        raise invalid_field(argument, "a field path must be a string that is not empty", path)
    parts = path.split(".")
    if "\0" in path or not all(parts) or any(part.startswith("$") for part in parts):
        raise invalid_field(
            argument, "a field path has no empty part, no part that begins with '$' and no null character", path
        )
    if len(parts) > MAX_PATH_DEPTH:
        raise invalid_field(argument, f"a field path has at most {MAX_PATH_DEPTH} parts", path)
    return path


def expression_reader(path: str) -> Callable[[Document], Any]:
    """How an aggregation reads ``$path``: arrays of documents give the array of their values, indexes are not followed.

    Returns:
        A function from a document to the value, or `MISSING`.
    """
    head, *rest = path.split(".")
    if not rest:
        return lambda document: document.get(head, MISSING)
    parts = tuple(rest)
    return lambda document: _read(document.get(head, MISSING), parts)


def _read(value: Any, parts: tuple[str, ...]) -> Any:
    if not parts:
        return value
    if type(value) is dict:
        return _read(value.get(parts[0], MISSING), parts[1:])
    if type(value) is list:
        found = (_read(item, parts) for item in value if type(item) is dict)
        return [item for item in found if item is not MISSING]
    return MISSING
