"""Projections: which fields of a document are given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bson.decimal128 import Decimal128
from bson.int64 import Int64

from flowcept.errors import InvalidArgumentError, Reason, shorten
from flowcept_service.query._errors import MAX_FILTER_DEPTH, invalid_field
from flowcept_service.query._fields import checked_path
from flowcept_service.query._operators import is_true
from flowcept_service.query._paths import Document

Projection = Callable[[Document], Document]
_Tree = dict[str, "_Tree | None"]  # None where the path ends


def checked_projection(projection: Mapping[str, Any] | Sequence[str] | None) -> dict[str, int]:
    """The projection as ``{path: 1 or 0}``; empty for whole documents.

    Args:
        projection: A mapping of paths to truth values (nested mappings stand for dotted paths), or a sequence of paths
            to include. ``_id`` comes along unless it is excluded. Inclusion and exclusion cannot be mixed but for
            ``_id``.

    Raises:
        InvalidArgumentError: reason ``INVALID_FIELD``, or ``UNSUPPORTED_OPERATOR`` for ``$slice``, ``$elemMatch``,
            ``$meta``, computed values and the positional ``.$``.
    """
    if projection is None:
        return {}
    if isinstance(projection, Mapping):
        pairs = list(_flatten(projection, "", 1))
        flat = dict(pairs)
        if len(flat) != len(pairs):
            raise invalid_field("projection", "names a field twice", projection)
    elif isinstance(projection, Sequence) and not isinstance(projection, str | bytes):
        flat = {checked_path("projection", path): 1 for path in projection}
    else:
        raise invalid_field("projection", "needs a list of field paths or a document", projection)
    others = {flag for path, flag in flat.items() if path != "_id"}
    if len(others) == 2:
        raise invalid_field("projection", "cannot include some fields and exclude others", projection)
    if flat.get("_id") == 1 and others == {0}:
        del flat["_id"]  # it is not excluded, so it stays
    _tree(flat)
    return flat


def _flatten(projection: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, int]]:
    if depth > MAX_FILTER_DEPTH:
        raise invalid_field("projection", f"nests more than {MAX_FILTER_DEPTH} levels", prefix)
    for name, value in projection.items():
        if isinstance(name, str) and (name.startswith("$") or name.endswith(".$")):
            raise _unsupported(name, prefix)
        path = checked_path("projection", f"{prefix}{name}" if isinstance(name, str) else name)
        if isinstance(value, Mapping):
            if not value:
                raise invalid_field("projection", "needs 1 or 0 for a field, not an empty document", path)
            yield from _flatten(value, f"{path}.", depth + 1)
        elif isinstance(value, bool | int | float | Int64 | Decimal128):
            yield path, int(is_true(value))
        else:
            raise _unsupported(shorten(value), path)


def _unsupported(what: str, path: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"Invalid projection: {what} on {shorten(path)} is not supported; "
        "a field takes only 1 (include) or 0 (exclude).",
        reason=Reason.UNSUPPORTED_OPERATOR,
        field="projection",
        operator=what,
    )


def _tree(flat: Mapping[str, int]) -> _Tree:
    root: _Tree = {}
    for path in flat:
        node = root
        *branches, leaf = path.split(".")
        for branch in branches:
            below = node.setdefault(branch, {})
            if below is None:
                raise invalid_field("projection", "names both a field and a part of it", path)
            node = below
        if leaf in node:
            raise invalid_field("projection", "names both a field and a part of it", path)
        node[leaf] = None
    return root


def compile_projection(flat: Mapping[str, int]) -> Projection | None:
    """Compile what `checked_projection` returned; None when whole documents are wanted.

    The result never shares its outer documents with the input; fields keep the order that the document has.
    """
    if not flat:
        return None
    including = any(flag for path, flag in flat.items() if path != "_id") or flat == {"_id": 1}
    if not including:
        excluded = _tree(flat)
        return lambda document: _exclude(document, excluded)
    wanted = dict(flat)
    if wanted.get("_id") == 0:
        del wanted["_id"]
    elif not any(path.startswith("_id.") for path in wanted):
        wanted["_id"] = 1
    included = _tree(wanted)
    return lambda document: _include(document, included)


def _include(document: Document, tree: _Tree) -> Document:
    result: Document = {}
    for name, value in document.items():
        if name in tree:
            below = tree[name]
            if below is None:
                result[name] = value
            elif type(value) is dict:
                result[name] = _include(value, below)
            elif type(value) is list:
                result[name] = _include_items(value, below)
    return result


def _include_items(array: list[Any], tree: _Tree) -> list[Any]:
    result: list[Any] = []
    for item in array:
        if type(item) is dict:
            result.append(_include(item, tree))
        elif type(item) is list:
            result.append(_include_items(item, tree))
    return result


def _exclude(document: Document, tree: _Tree) -> Document:
    result: Document = {}
    for name, value in document.items():
        if name not in tree:
            result[name] = value
        elif (below := tree[name]) is not None:
            result[name] = _exclude_below(value, below)
    return result


def _exclude_below(value: Any, tree: _Tree) -> Any:
    if type(value) is dict:
        return _exclude(value, tree)
    if type(value) is list:
        return [_exclude_below(item, tree) for item in value]
    return value
