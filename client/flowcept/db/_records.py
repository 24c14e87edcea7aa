"""Storing and deleting records."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from flowcept.checks import items
from flowcept.db._queries import QueryMethods
from flowcept.errors import InvalidArgumentError, shorten, wrong_type
from flowcept.plain import PlainLimits, plain
from flowcept.records import AgentObject, Record, TaskObject, WorkflowObject, stamp
from flowcept.transport import Deleted, Published, delete_records, publish

AnyRecord = TypeVar("AnyRecord", bound=Record)

# Capture shortens what is large, so as not to slow the user's code. Here the caller asked for the record to be stored:
# all of it is sent, and what exceeds the limits of a record is refused with the name of the field.
_EVERYTHING = PlainLimits(
    max_depth=200, max_items=1 << 40, max_values=1 << 40, max_array_items=1 << 40, max_text=1 << 40
)


class RecordMethods(QueryMethods):
    """The methods of ``Flowcept.db`` that store and delete tasks, workflows and agents."""

    def insert_or_update_task(self, task: TaskObject) -> TaskObject:
        """Store a task, or merge what it says into the one that is stored, and return once that is durable.

        What it says now goes before what was said earlier, field by field; fields that are None change nothing.
        ``used``, ``generated``, ``custom_metadata`` and telemetry are merged by key, ``tags`` are united. FINISHED and
        ERROR are not taken back.

        Args:
            task: The task. It gets a ``task_id`` if it has none.

        Returns:
            The same object. ``task_query`` shows the record as it is after merging.

        Raises:
            InvalidArgumentError: A field is wrong; RECORD_TOO_LARGE points to blobs.
            FlowceptError: The service cannot be reached, has no room, ...
        """
        return self._store(task, TaskObject, TaskObject.task_id_field())

    def insert_or_update_workflow(self, workflow_obj: WorkflowObject) -> WorkflowObject:
        """The same for a workflow; it gets a ``workflow_id`` if it has none. Returns the same object."""
        return self._store(workflow_obj, WorkflowObject, WorkflowObject.workflow_id_field())

    def insert_or_update_agent(self, agent_obj: AgentObject) -> AgentObject:
        """The same for an agent; it gets an ``agent_id`` if it has none. Returns the same object."""
        return self._store(agent_obj, AgentObject, AgentObject.agent_id_field())

    def publish(
        self,
        messages: Iterable[Record | Mapping[str, Any]],
        *,
        progress: Callable[[int], object] | None = None,
    ) -> Published:
        """Store many records, in batches, and return once all are durable. One bad message never sinks the others.

        Args:
            messages: Records, or dictionaries with ``type`` and the fields of the record. A ``message_id`` in a
                dictionary makes it harmless to publish it again. Messages without any time get the present one.
            progress: Called with the number of messages that are done.

        Returns:
            How many were stored, and which were rejected, by index, with reason and field.

        Raises:
            InvalidArgumentError: ``messages`` are not many.
            FlowceptError: The service cannot be reached, has no room, ...; what was done before is durable.
        """
        items("messages", messages, "a list of records or dictionaries")
        return publish(self.connection, self._plain_messages(messages), progress=progress)

    def delete_workflow_data(self, workflow_id: str) -> dict[str, int]:
        """Delete the tasks and agents of a workflow execution, and the workflow itself. Each deletion is an event.

        Blob objects stay, with their versions: delete those with ``delete_object``.

        Returns:
            How many went: ``workflows``, ``tasks``, ``objects`` (always 0) and ``agents``.

        Raises:
            InvalidArgumentError: ``workflow_id`` is empty or not valid.
            PreconditionError: NO_DATABASE: the service keeps no records.
        """
        return _counts(delete_records(self.connection, workflow_id=_identifier("workflow_id", workflow_id)))

    def delete_campaign_data(self, campaign_id: str) -> dict[str, int]:
        """The same for all records of a campaign."""
        return _counts(delete_records(self.connection, campaign_id=_identifier("campaign_id", campaign_id)))

    def _store(self, record: AnyRecord, wanted: type[AnyRecord], id_field: str) -> AnyRecord:
        if not isinstance(record, wanted):
            name = wanted.__name__
            raise wrong_type(wanted.type, record, f"a {name} (make one of a dictionary with {name}.from_dict)")
        if getattr(record, id_field) is None:
            setattr(record, id_field, str(uuid.uuid4()))
        # Said now, whatever times the record carries: those of one that was read back must not make it an old message.
        message = {**record.to_dict(), "utc_timestamp": self._clock()}
        published = publish(self.connection, [_plain(message)])
        for rejection in published.rejections:
            raise rejection.error()
        return record

    def _plain_messages(self, messages: Iterable[Record | Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for message in messages:
            if not isinstance(message, Record | Mapping):
                yield message  # it is rejected in its place, as every message that cannot be stored
                continue
            fields = _plain(message.to_dict() if isinstance(message, Record) else message)
            stamp(fields, self._clock())
            yield fields


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    fields = plain(dict(message), _EVERYTHING)
    return fields if isinstance(fields, dict) else {}  # the plain form of a dict is a dict


def _identifier(field: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidArgumentError(f"{field} is {shorten(value)}; it must be a text that is not empty", field=field)
    return value


def _counts(deleted: Deleted) -> dict[str, int]:
    return {"workflows": deleted.workflows, "tasks": deleted.tasks, "objects": 0, "agents": deleted.agents}
