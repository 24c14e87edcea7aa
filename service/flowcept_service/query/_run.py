"""Runs a query over a stream of documents, lazily and in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import bson

from flowcept_service.query._aggregate import aggregate
from flowcept_service.query._hints import Hints
from flowcept_service.query._paths import Document
from flowcept_service.query._query import Query
from flowcept_service.query._sort import SortKey, sorted_payloads
from flowcept_service.query._values import CODEC_OPTIONS, decode


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Bounds on what one query may hold in memory; beyond them it fails with reason ``RESULT_TOO_LARGE``."""

    max_sort_bytes: int = 100 * 1024 * 1024
    """Encoded documents held by a sort. With a limit, a sort holds about twice ``skip + limit`` documents."""

    max_groups: int = 100_000
    """Groups of an aggregation."""

    max_group_bytes: int = 100 * 1024 * 1024
    """Encoded values held for the groups of an aggregation: what they share, minima and maxima."""


DEFAULT_LIMITS: Final = QueryLimits()

_MAX_NEEDLES: Final = 8  # strings to look for in an encoded document; looking for more costs what decoding costs


def run(query: Query, documents: Iterable[Document], *, limits: QueryLimits = DEFAULT_LIMITS) -> Iterator[Document]:
    """Filter, aggregate, sort, skip, limit and project documents, in this order.

    Nothing is read before the first result is asked for. Without sort and aggregations results stream; closing the
    iterator stops reading. A sort without limit holds the matching documents (after projection, encoded).

    Args:
        query: From `parse_query`.
        documents: As `decode` gives them; not changed. Whole documents are passed on, not copied.
        limits: Bounds on memory.

    Raises:
        ResourceExhaustedError: reason ``RESULT_TOO_LARGE``.
        InvalidArgumentError: reason ``INVALID_FIELD``: a document has arrays in more than one of the fields sorted by.
    """
    matching: Iterable[Document] = filter(query.matches, documents) if query.filter else documents
    if query.aggregations:
        matching = _groups(query, matching, limits)
    if query.sort_key is not None:
        entries = ((document, None) for document in matching)
        return map(decode, _window(query, _sorted(query, query.sort_key, entries, limits)))
    window = _window(query, matching)
    return window if query.project is None else map(query.project, window)


def run_bson(
    query: Query, documents: Iterable[bytes], *, matched: bool = False, limits: QueryLimits = DEFAULT_LIMITS
) -> Iterator[bytes]:
    """`run` for encoded documents.

    Whole documents are passed on as they are, and decoded only if something must be looked at.

    Args:
        query: From `parse_query`.
        documents: BSON documents.
        matched: The caller knows that all of them meet the filter (an index covers it, see `Hints`).
        limits: Bounds on memory.

    Raises:
        ResourceExhaustedError: reason ``RESULT_TOO_LARGE``.
        InvalidArgumentError: reason ``INVALID_FIELD``, as for `run`.
        bson.errors.InvalidBSON: one of the documents is none.
    """
    entries = _decoded(query, documents, matched)
    if query.aggregations:
        groups = _groups(query, (document for document, _ in entries), limits)
        entries = ((group, None) for group in groups)
    if query.sort_key is not None:
        return _window(query, _sorted(query, query.sort_key, entries, limits))
    if not query.aggregations and query.project is None:
        if matched or not query.filter:
            return _window(query, documents)
        return _window(query, (data for _, data in entries if data is not None))
    project = query.project
    window = _window(query, (document for document, _ in entries))
    return map(_encode, window if project is None else map(project, window))


def _decoded(query: Query, documents: Iterable[bytes], matched: bool) -> Iterator[tuple[Document, bytes | None]]:
    matches = query.matches
    every = matched or not query.filter
    for data in documents if every else _promising(query.hints, documents):
        document = decode(data)
        if every or matches(document):
            yield document, data


def _groups(query: Query, documents: Iterable[Document], limits: QueryLimits) -> Iterator[Document]:
    return aggregate(
        documents,
        query.aggregations,
        query.group_by,
        max_groups=limits.max_groups,
        max_bytes=limits.max_group_bytes,
    )


def _promising(hints: Hints, documents: Iterable[bytes]) -> Iterable[bytes]:
    """Leave out what lacks a string that the filter asks for, before it is decoded: that costs forty times as much."""
    for values in hints.equalities.values():
        if len(values) <= _MAX_NEEDLES:
            documents = _holding_any([_encoded_string(value) for value in values], documents)
    return documents


def _holding_any(needles: list[bytes], documents: Iterable[bytes]) -> Iterator[bytes]:
    if len(needles) == 1:
        needle = needles[0]
        return (data for data in documents if needle in data)
    return (data for data in documents if any(needle in data for needle in needles))


def _encoded_string(value: str) -> bytes:
    """A string as every BSON document that holds it holds it, wherever it stands: length, bytes, a zero."""
    encoded = value.encode()
    return (len(encoded) + 1).to_bytes(4, "little") + encoded + b"\0"


def _sorted(
    query: Query, key: SortKey, entries: Iterable[tuple[Document, bytes | None]], limits: QueryLimits
) -> Iterator[bytes]:
    project = query.project
    if project is not None:
        entries = ((document, None) for document, _ in entries)

    def encode(document: Document) -> bytes:
        return _encode(document if project is None else project(document))

    keep = query.skip + query.limit if query.limit else 0
    yield from sorted_payloads(entries, query.sort, key=key, encode=encode, keep=keep, max_bytes=limits.max_sort_bytes)


def _encode(document: Document) -> bytes:
    return bson.encode(document, codec_options=CODEC_OPTIONS)


def _window(query: Query, items: Iterable[Any]) -> Iterator[Any]:
    if not query.skip and not query.limit:
        return iter(items)
    return islice(items, query.skip, query.skip + query.limit if query.limit else None)
