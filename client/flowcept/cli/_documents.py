"""Documents on the command line: filters given as JSON, results with chosen columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowcept.codec import decode_document
from flowcept.v1 import document_pb2


def parse_filter(text: str | None) -> dict[str, Any] | None:
    """A filter given as (Extended) JSON; None when it is not given.

    Raises:
        InvalidArgumentError: It is not valid.
    """
    return None if text is None else decode_document(document_pb2.Document(json=text), "--filter")


def combined(document: str | None, equal: Mapping[str, str | None], *further: dict[str, Any]) -> dict[str, Any] | None:
    """A filter for everything that was asked for; None for everything there is.

    Args:
        document: A filter as JSON.
        equal: Values by field; None where not given.
        further: More conditions.

    Raises:
        InvalidArgumentError: The filter is not valid.
    """
    conditions: list[dict[str, Any]] = [{name: value} for name, value in equal.items() if value is not None]
    conditions += further
    if (given := parse_filter(document)) is not None:
        conditions.append(given)
    return {"$and": conditions} if conditions else None


def with_columns(documents: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The documents, with the value at each dotted path of ``columns`` under the path itself."""
    paths = [column for column in columns if "." in column]
    for document in documents:
        yield {**document, **{path: _at(document, path) for path in paths}}


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
