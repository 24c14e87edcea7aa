"""Queries over what the service keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowcept.buffer_file import data_frame
from flowcept.checks import text
from flowcept.codec import decode_document, encode_document
from flowcept.db._base import ServiceBound
from flowcept.errors import InvalidArgumentError, PreconditionError, Reason, shorten
from flowcept.records import AgentObject, WorkflowObject
from flowcept.transport import query
from flowcept.v1 import provenance_service_pb2 as pb

if TYPE_CHECKING:
    import pandas as pd

_COLLECTIONS = {
    "tasks": pb.COLLECTION_TASKS,
    "workflows": pb.COLLECTION_WORKFLOWS,
    "agents": pb.COLLECTION_AGENTS,
    "objects": pb.COLLECTION_OBJECTS,
    "object_history": pb.COLLECTION_OBJECT_HISTORY,
}
_OPERATORS = {
    "avg": pb.AGGREGATION_OPERATOR_AVG,
    "sum": pb.AGGREGATION_OPERATOR_SUM,
    "min": pb.AGGREGATION_OPERATOR_MIN,
    "max": pb.AGGREGATION_OPERATOR_MAX,
    "count": pb.AGGREGATION_OPERATOR_COUNT,
}
# What the Flowcept library leaves out of results so that they can be written as JSON.
_UNSERIALIZABLE = ("_id", "timestamp")

Filter = Mapping[str, Any]
"""A filter in MongoDB's query language."""

Projection = Sequence[str] | Mapping[str, Any]
"""Names of fields to return, or a projection in MongoDB's query language."""

Sort = Sequence[tuple[str, int]]
"""Pairs of field and direction (1 or -1), most significant first."""

Aggregations = Sequence[tuple[str, str]]
"""Pairs of operator (``avg``, ``sum``, ``min``, ``max``, ``count``) and field."""


class QueryMethods(ServiceBound):
    """The query methods of ``Flowcept.db``."""

    ASCENDING = 1
    DESCENDING = -1

    def query(  # noqa: PLR0917 - the documented order of arguments
        self,
        filter: Filter | None = None,
        projection: Projection | None = None,
        limit: int = 0,
        sort: Sort | None = None,
        aggregation: Aggregations | None = None,
        remove_json_unserializables: bool = True,
        collection: str = "tasks",
        *,
        skip: int = 0,
    ) -> list[dict[str, Any]]:
        """The documents that match, as a list. See ``iter_query`` for the arguments and errors."""
        return list(
            self.iter_query(
                filter=filter,
                projection=projection,
                limit=limit,
                sort=sort,
                aggregation=aggregation,
                remove_json_unserializables=remove_json_unserializables,
                collection=collection,
                skip=skip,
            )
        )

    def iter_query(
        self,
        *,
        filter: Filter | None = None,
        projection: Projection | None = None,
        limit: int = 0,
        sort: Sort | None = None,
        aggregation: Aggregations | None = None,
        remove_json_unserializables: bool = True,
        collection: str = "tasks",
        skip: int = 0,
    ) -> Iterator[dict[str, Any]]:
        """The documents that match, one by one, in bounded memory.

        Args:
            filter: Which documents; all when not given.
            projection: Which fields; all when not given. With ``aggregation`` the fields to group by.
            limit: At most so many; 0 means all.
            sort: By which fields.
            aggregation: Aggregate instead: one result for each group, with ``<operator>_<field>`` for each pair.
            remove_json_unserializables: Leave ``_id`` out.
            collection: ``tasks``, ``workflows``, ``agents``, ``objects`` or ``object_history``.
            skip: How many to leave out at the beginning.

        Raises:
            InvalidArgumentError: An argument is wrong; UNSUPPORTED_OPERATOR names an operator that is not offered.
            PreconditionError: NO_DATABASE: the service keeps no records.
            ResourceExhaustedError: RESULT_TOO_LARGE: sorting or grouping would take too much memory.
            UnavailableError: The service cannot be reached, or went away in the middle of the results.
        """
        request = query_request(collection, filter, projection, sort, aggregation, limit=limit, skip=skip)
        for document in query(self.connection, request):
            values = decode_document(document, "documents") or {}
            if remove_json_unserializables:
                for name in _UNSERIALIZABLE:
                    values.pop(name, None)
            yield values

    def task_query(  # noqa: PLR0917 - the documented order of arguments
        self,
        filter: Filter | None = None,
        projection: Projection | None = None,
        limit: int = 0,
        sort: Sort | None = None,
        aggregation: Aggregations | None = None,
        remove_json_unserializables: bool = True,
    ) -> list[dict[str, Any]]:
        """The tasks that match. Arguments and errors as ``iter_query``."""
        return self.query(filter, projection, limit, sort, aggregation, remove_json_unserializables, "tasks")

    def workflow_query(self, filter: Filter | None = None) -> list[dict[str, Any]]:
        """The workflows that match. Errors as ``iter_query``."""
        return self.query(filter, collection="workflows")

    def agent_query(self, filter: Filter | None = None) -> list[dict[str, Any]]:
        """The agents that match. Errors as ``iter_query``."""
        return self.query(filter, collection="agents")

    def blob_object_query(self, filter: Filter | None = None) -> list[dict[str, Any]]:
        """The latest versions of the objects that match, as documents without their bytes. Errors as ``iter_query``."""
        return self.query(filter, collection="objects")

    def ml_model_query(self, filter: Filter | None = None) -> list[dict[str, Any]]:
        """Another name of ``blob_object_query``; filter by ``type`` to have models only."""
        return self.blob_object_query(filter)

    def dataset_query(self, filter: Filter | None = None) -> list[dict[str, Any]]:
        """Another name of ``blob_object_query``; filter by ``type`` to have datasets only."""
        return self.blob_object_query(filter)

    def get_workflow_object(self, workflow_id: str) -> WorkflowObject | None:
        """The workflow, or None when there is none of that id. Errors as ``iter_query``."""
        found = self.query({"workflow_id": workflow_id}, limit=1, collection="workflows")
        return WorkflowObject.from_dict(found[0]) if found else None

    def get_agent_object(self, agent_id: str) -> AgentObject | None:
        """The agent, or None when there is none of that id. Errors as ``iter_query``."""
        found = self.query({"agent_id": agent_id}, limit=1, collection="agents")
        return AgentObject.from_dict(found[0]) if found else None

    def get_tasks_from_current_workflow(self) -> list[dict[str, Any]]:
        """The tasks of the workflow that captures here, or of the last one that did; those that are published.

        Raises:
            PreconditionError: No workflow has started.
            FlowceptError: As ``iter_query``.
        """
        workflow_id = self._current_workflow_id()
        if workflow_id is None:
            raise PreconditionError(
                "no workflow has started in this program; use it within `with Flowcept(...)`, or ask "
                'task_query({"workflow_id": ...})',
            )
        return self.task_query({"workflow_id": workflow_id})

    def to_df(self, collection: str = "tasks", filter: Filter | None = None) -> pd.DataFrame:
        """The documents that match, as a pandas data frame with one column for each top-level field.

        Raises:
            ModuleNotFoundError: pandas is not installed.
            FlowceptError: As ``iter_query``.
        """
        return data_frame(self.query(filter, collection=collection), normalize=False)


def query_request(
    collection: str,
    filter: Filter | None = None,
    projection: Projection | None = None,
    sort: Sort | None = None,
    aggregation: Aggregations | None = None,
    *,
    limit: int = 0,
    skip: int = 0,
) -> pb.QueryRequest:
    """The query on the wire; arguments as ``QueryMethods.iter_query``.

    Raises:
        InvalidArgumentError: INVALID_FILTER: an argument is wrong; INVALID_DOCUMENT, with the path of the culprit.
    """
    if not isinstance(collection, str) or collection not in _COLLECTIONS:
        raise _wrong("collection", collection, f"one of {', '.join(_COLLECTIONS)}")
    request = pb.QueryRequest(
        collection=_COLLECTIONS[collection], limit=_count("limit", limit), skip=_count("skip", skip)
    )
    if filter is not None:
        request.filter.CopyFrom(encode_document(_mapping("filter", filter), "filter"))
    for item in _many("sort", sort, "a list of pairs"):
        field, direction = _pair("sort", item)
        if direction not in (1, -1):
            raise _wrong("sort", item, "pairs of a field and 1 or -1")
        request.sort.add(field=text("sort", field), descending=direction == -1)
    for pair in _many("aggregation", aggregation, "a list of pairs"):
        operator, aggregated = _pair("aggregation", pair)
        if operator not in _OPERATORS or not isinstance(aggregated, str):
            raise _wrong("aggregation", pair, f"pairs of an operator ({', '.join(_OPERATORS)}) and a field")
        request.aggregations.add(operator=_OPERATORS[operator], field=text("aggregation", aggregated))
    if projection is None:
        return request
    names = _many("projection", projection, "a list of field names or a dictionary", may_be_mapping=True)
    if aggregation:
        request.group_by.extend(text("projection", name) for name in names)
    else:
        fields = projection if isinstance(projection, Mapping) else {text("projection", name): 1 for name in names}
        request.projection.CopyFrom(encode_document(fields, "projection"))
    return request


def _many(field: str, values: object, wanted: str, *, may_be_mapping: bool = False) -> Iterable[Any]:
    if values is None:
        return ()
    is_one = isinstance(values, str) or (isinstance(values, Mapping) and not may_be_mapping)
    if is_one or not isinstance(values, Iterable):
        raise _wrong(field, values, wanted)
    return values


def _mapping(field: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(field, value, "a dictionary")
    return value


def _pair(field: str, item: Any) -> tuple[Any, Any]:
    is_pair = isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 2
    if not is_pair or not isinstance(item[0], str):
        raise _wrong(field, item, "a list of pairs")
    return item[0], item[1]


def _count(field: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise _wrong(field, value, "a whole number, 0 or more")
    return value


def _wrong(field: str, value: object, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{field} is {shorten(value)}; it must be {wanted}",
        reason=Reason.INVALID_FILTER,
        field=field,
        value=shorten(value),
    )
