"""Provenance records as the stores see them: plain documents with an identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from flowcept.errors import FlowceptError
from flowcept_service.domain.events import EventKind

Document = dict[str, Any]
"""A decoded BSON document: string keys, values as ``bson.decode`` gives them."""


class Collection(StrEnum):
    """A set of documents that can be queried; the values are the collections' names in every store."""

    TASKS = "tasks"
    WORKFLOWS = "workflows"
    AGENTS = "agents"
    OBJECTS = "objects"
    OBJECT_HISTORY = "object_history"


RECORD_KINDS: Mapping[Collection, EventKind] = {
    Collection.TASKS: EventKind.TASK,
    Collection.WORKFLOWS: EventKind.WORKFLOW,
    Collection.AGENTS: EventKind.AGENT,
}
"""The collections that ``RecordStore.write`` accepts, with the kind of their events."""

ID_FIELDS: Mapping[Collection, str] = {
    Collection.TASKS: "task_id",
    Collection.WORKFLOWS: "workflow_id",
    Collection.AGENTS: "agent_id",
    Collection.OBJECTS: "object_id",
}
"""The field that identifies a document of a collection."""

INDEXED_FIELDS: Mapping[Collection, tuple[str, ...]] = {
    Collection.TASKS: ("task_id", "parent_task_id", "workflow_id", "campaign_id", "activity_id"),
    Collection.WORKFLOWS: ("workflow_id", "parent_workflow_id", "campaign_id", "name"),
    Collection.AGENTS: ("agent_id", "workflow_id", "campaign_id"),
    Collection.OBJECTS: ("object_id", "data_sha256", "task_id", "workflow_id", "campaign_id", "type"),
    Collection.OBJECT_HISTORY: ("object_id", "data_sha256", "task_id", "workflow_id", "campaign_id", "type"),
}
"""The top-level string fields on which an equality must not scan, in every store; those that few documents share first.

A filter that pins several is answered by the first of them, where it allows as few values. Filters of confined callers
always pin a campaign, which may be most of the store.
"""

MARKS: Mapping[Collection, tuple[str, ...]] = {
    collection: tuple(dict.fromkeys(("workflow_id", "campaign_id", "activity_id", *INDEXED_FIELDS[collection])))
    for collection in RECORD_KINDS
}
"""The top-level fields of records that stores look at: those that events are selected by, and the indexed ones."""


class EncodedRecord(NamedTuple):
    """A record as stores keep it."""

    data: bytes
    """The record as BSON, of at most ``domain.limits.MAX_RECORD_BYTES``."""
    shown: bytes
    """The same as readers are shown it: see ``domain.merge_state``."""
    marks: Mapping[str, Any]
    """Its top-level fields by which it is found, and its events are: the ``MARKS``, at least those that it has."""


Merge = Callable[[Document | None], EncodedRecord]
"""From the record as it is (None: there is none) to the record after a message.

Pure: it may run more than once, and leaves its argument alone. Raises InvalidArgumentError when the message cannot be
merged (a record over its size limit, say).
"""


class RecordWrite(NamedTuple):
    """One message that is to be merged into one record. A named tuple, because every message makes one."""

    collection: Collection
    """One of ``RECORD_KINDS``."""
    record_id: str
    message_id: str
    """Makes a repeat harmless; empty when the message has none."""
    merge: Merge


class WriteOutcome(NamedTuple):
    """What became of a RecordWrite: stored with a sequence, known before, or refused with an error."""

    sequence: int = 0
    """Sequence of its event; 0 when nothing was stored."""
    error: FlowceptError | None = None

    @property
    def duplicate(self) -> bool:
        """Whether the message had been stored before."""
        return self.sequence == 0 and self.error is None
