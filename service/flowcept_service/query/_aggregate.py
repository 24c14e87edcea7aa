"""Aggregations over groups of documents, streaming: memory is proportional to the number of groups.

The result has the layout of Flowcept 0.10: one document for each group, with ``<operator>_<field>`` for each
aggregation, then the fields that the groups share; dots in field names become underscores. Without grouping there is
one document, and its ``_id`` is null. What differs from Flowcept 0.10, where it left an error: several fields can be
grouped by; ``count`` counts the documents in which the field is neither missing nor null, and ``("count", "*")`` all of
them, as ``count``. A document that lacks a grouping field belongs to the group of null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flowcept.errors import InvalidArgumentError, Reason, ResourceExhaustedError, shorten
from flowcept_service.query._accumulators import ACCUMULATORS, Accumulator, encoded_size
from flowcept_service.query._errors import invalid_field
from flowcept_service.query._fields import checked_path, expression_reader
from flowcept_service.query._missing import MISSING
from flowcept_service.query._paths import Document
from flowcept_service.query._values import order_key, type_key

EVERY_DOCUMENT: Final = "*"
"""As the field of ``count``: count documents."""

MAX_AGGREGATIONS: Final = 100
"""Aggregations in one query."""


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One accumulator over one field; ``output`` is the name of its value in the result."""

    operator: str
    field: str

    @property
    def output(self) -> str:
        """``avg_ended_at`` for avg over ``ended_at``; ``count`` for the count of documents."""
        return "count" if self.field == EVERY_DOCUMENT else f"{self.operator}_{output_name(self.field)}"


def output_name(path: str) -> str:
    """The name that a field path has in a result."""
    return path.replace(".", "_")


def checked_aggregations(aggregations: Iterable[Sequence[str]], group_by: Sequence[str]) -> tuple[Aggregation, ...]:
    """The aggregations, with operators and fields checked against each other and the grouping.

    Raises:
        InvalidArgumentError: reason ``UNSUPPORTED_OPERATOR`` or ``INVALID_FIELD``.
    """
    checked: list[Aggregation] = []
    for item in aggregations:
        if isinstance(item, str) or not isinstance(item, Sequence) or len(item) != 2:
            raise invalid_field("aggregation", "needs pairs of operator and field path", item)
        operator, field = item
        if operator not in ACCUMULATORS:
            raise InvalidArgumentError(
                f"Aggregation operator {shorten(operator)} is not supported; use one of {', '.join(ACCUMULATORS)}.",
                reason=Reason.UNSUPPORTED_OPERATOR,
                field="aggregation",
                operator=operator,
            )
        if operator != "count" and field == EVERY_DOCUMENT:
            raise invalid_field("aggregation", f"only count takes {EVERY_DOCUMENT}, for every document", item)
        if field != EVERY_DOCUMENT:
            checked_path("aggregation", field)
        checked.append(Aggregation(operator, field))
    if len(checked) > MAX_AGGREGATIONS:
        raise invalid_field("aggregation", f"has at most {MAX_AGGREGATIONS} entries", len(checked))
    outputs = [*(item.output for item in checked), *map(output_name, group_by)]
    if len(set(outputs)) != len(outputs):
        raise invalid_field("aggregation", "would give two fields of the result the same name", outputs)
    return tuple(checked)


def aggregate(
    documents: Iterable[Document],
    aggregations: Sequence[Aggregation],
    group_by: Sequence[str],
    *,
    max_groups: int,
    max_bytes: int,
) -> Iterator[Document]:
    """Accumulate all documents, then give one result for each group, in the order in which the groups appeared.

    Raises:
        ResourceExhaustedError: reason ``RESULT_TOO_LARGE``: there are more than ``max_groups`` groups, or the values
            that are held for them (what they share, minima and maxima) take more than ``max_bytes``.
    """
    readers = [expression_reader(path) for path in group_by]
    makers = [ACCUMULATORS[item.operator] for item in aggregations]
    values = [_value_reader(item) for item in aggregations]
    groups: dict[tuple[type_key, ...], tuple[tuple[Any, ...], list[Accumulator]]] = {}
    size = 0
    for document in documents:
        shared = tuple(None if (value := read(document)) is MISSING else value for read in readers)
        key = tuple(map(order_key, shared))
        group = groups.get(key)
        if group is None:
            group = groups[key] = (shared, [make() for make in makers])
            size += sum(map(encoded_size, shared))
        for accumulator, read in zip(group[1], values, strict=True):
            size += accumulator.add(read(document))
        if len(groups) > max_groups or size > max_bytes:
            raise _too_large(max_groups, max_bytes)
    for shared, accumulators in groups.values():
        result: Document = {} if group_by else {"_id": None}
        for item, accumulator in zip(aggregations, accumulators, strict=True):
            result[item.output] = accumulator.result()
        result.update(zip(map(output_name, group_by), shared, strict=True))
        yield result


def _value_reader(item: Aggregation) -> Callable[[Document], Any]:
    return (lambda document: True) if item.field == EVERY_DOCUMENT else expression_reader(item.field)


def _too_large(max_groups: int, max_bytes: int) -> ResourceExhaustedError:
    return ResourceExhaustedError(
        f"The aggregation has more than {max_groups} groups, or more than {max_bytes} bytes of values in them; "
        "give a narrower filter, group by fewer fields, or take minima and maxima of smaller ones.",
        reason=Reason.RESULT_TOO_LARGE,
        limit_groups=max_groups,
        limit_bytes=max_bytes,
    )
