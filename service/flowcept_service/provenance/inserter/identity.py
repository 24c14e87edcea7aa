"""Which record a message is about: its kind, and its identifiers where they are missing."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid5

from flowcept.errors import InvalidArgumentError, Reason, shorten
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.domain.records import ID_FIELDS, Collection, Document
from flowcept_service.provenance.inserter.settings import PrepareContext

KINDS: Mapping[str, Collection] = {
    "task": Collection.TASKS,
    "workflow": Collection.WORKFLOWS,
    "agent": Collection.AGENTS,
}
"""The values of ``type``, with the collection that such records are kept in."""

KIND_NAMES: Mapping[Collection, str] = {collection: kind for kind, collection in KINDS.items()}

_TASK_MARKS = ("task_id", "activity_id", "group_id", "parent_task_id", "source_agent_id")
_MESSAGE_NAMESPACE = UUID("6d1b3c7e-2f0a-5b7e-9a43-70c8d5f1e6b2")
"""Separates our name-based identifiers from everybody else's; any constant would do."""


def infer_collection(message: Mapping[str, object]) -> Collection:
    """The collection that a message belongs to: by its ``type``, else by the identifiers that it has.

    Raises:
        InvalidArgumentError: INVALID_FIELD, for another ``type`` and when nothing tells.
    """
    kind = message.get("type")
    if kind is not None:
        collection = KINDS.get(kind) if isinstance(kind, str) else None
        if collection is None:
            raise InvalidArgumentError(
                f"type is {shorten(kind)}, which is no kind of record; give one of {', '.join(KINDS)}",
                reason=Reason.INVALID_FIELD,
                field="type",
            )
        return collection
    if any(message.get(mark) is not None for mark in _TASK_MARKS):
        return Collection.TASKS
    is_agent = message.get("agent_id") is not None
    is_workflow = message.get("workflow_id") is not None
    if message.get("name") is not None or message.get("environment_id") is not None:
        return Collection.AGENTS if is_agent and not is_workflow else Collection.WORKFLOWS
    if is_agent:
        return Collection.AGENTS
    if is_workflow:
        return Collection.WORKFLOWS
    raise InvalidArgumentError(
        f"the message has neither a type nor an identifier that tells its kind; add type, one of {', '.join(KINDS)}",
        reason=Reason.INVALID_FIELD,
        field="type",
    )


def check_kind(message: Mapping[str, object], collection: Collection) -> None:
    """Refuse a message whose ``type`` is not that of the collection. Raises InvalidArgumentError (INVALID_FIELD)."""
    kind = message.get("type")
    if kind is not None and kind != KIND_NAMES[collection]:
        raise InvalidArgumentError(
            f"type is {shorten(kind)} in a message about a {KIND_NAMES[collection]}; leave it out, or correct it",
            reason=Reason.INVALID_FIELD,
            field="type",
        )


def complete_task(fields: Document) -> None:
    """Fill in what a task's own fields imply: its workflow, that it is an iteration, that it has finished."""
    if "workflow_id" not in fields:
        _take_workflow_id(fields)
    if "group_id" in fields and "subtype" not in fields:
        fields["subtype"] = "iteration"
    # A flag of earlier clients. An error is not taken back by it.
    if fields.get("finished") and fields.get("status") != "ERROR":
        fields["status"] = "FINISHED"


def ensure_id(collection: Collection, fields: Document, context: PrepareContext, message_id: str) -> str:
    """The identifier of the record, generated into ``fields`` if it is missing.

    An iteration is identified by ``group_id`` and ``used.i``, any other message by its ``message_id``, so that a
    repeated message meets the same record; only a message without one gets a random identifier.

    Raises:
        InvalidArgumentError: INVALID_IDENTIFIER, when ``group_id`` and ``used.i`` together are too long.
    """
    id_field = ID_FIELDS[collection]
    record_id = fields.get(id_field)
    if record_id is None:
        record_id = _iteration_id(fields) if collection is Collection.TASKS else None
        if record_id is None and message_id:
            record_id = str(uuid5(_MESSAGE_NAMESPACE, f"{collection}:{message_id}"))
        if record_id is None:
            record_id = context.new_id()
        record_id = fields[id_field] = check_identifier(id_field, record_id)
    return str(record_id)


def _take_workflow_id(fields: Document) -> None:
    """Move ``used.workflow_id`` to its place, as lightweight clients send it among the arguments."""
    used = fields.get("used")
    if used and (workflow_id := used.get("workflow_id")):
        fields["workflow_id"] = check_identifier("used.workflow_id", workflow_id)
        fields["used"] = {key: value for key, value in used.items() if key != "workflow_id"}


def _iteration_id(fields: Document) -> str | None:
    group_id = fields.get("group_id")
    index = fields.get("used", {}).get("i")
    if fields.get("subtype") != "iteration" or group_id is None or not isinstance(index, (int, str)):
        return None
    return f"{group_id}{index}"
