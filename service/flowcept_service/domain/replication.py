"""What one store hands to another that is to become its copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from flowcept_service.domain.events import EventBlock
from flowcept_service.domain.objects import Payload
from flowcept_service.domain.records import Collection


class RowKey(NamedTuple):
    """What identifies a stored document."""

    collection: Collection
    id: str
    """``task_id``, ``workflow_id``, ``agent_id`` or ``object_id``."""
    version: int | None = None
    """In ``object_history``; None elsewhere, where there is one document of an ``id``."""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A document exactly as it is stored, but for MongoDB's ``_id`` and the bytes of payloads."""

    key: RowKey
    data: bytes
    """BSON."""


@dataclass(frozen=True, slots=True)
class RowPage:
    """Documents in the order of their insertion."""

    rows: Sequence[StoredRow]
    cursor: bytes
    """Where the next page begins; only the store that made it understands it. Empty: there is none."""
    skipped: int = 0
    """Documents without a usable identifier, which only other writers leave and no other store could hold."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """What is to become of one document."""

    key: RowKey
    data: bytes | None
    """The document as BSON; None removes it."""
    payload: Payload | None = None
    """Of a version: its bytes, which the store holds by now, or gets with this, where ``inline``. None: there are none.

    The reference to it is counted, and that of the document which is replaced is released.
    """


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """The result of a committed change, kept for repeats."""

    request_id: str
    committed_at: datetime
    result: bytes
    """The document of the version that it committed, as BSON."""


@dataclass(frozen=True, slots=True)
class RequestPage:
    """Results of requests."""

    requests: Sequence[KeptRequest]
    cursor: bytes
    """As of ``RowPage``."""


@dataclass(frozen=True, slots=True)
class LogBlock:
    """A block of the log, with what is kept beside its events."""

    events: EventBlock
    committed_at: datetime
    messages: tuple[str, ...] = ()
    """The ids of the messages that its events came from."""
    requests: tuple[KeptRequest, ...] = ()
    """The results of the requests that its events came from, unless they have expired."""


@dataclass(frozen=True, slots=True)
class ReplicaBatch:
    """What a replica applies in one transaction."""

    state: bytes
    """Stored with everything else: how far the copy is. Its maker alone understands it."""
    rows: Sequence[RowChange] = ()
    """Changes of different documents; new ones are inserted in this order."""
    blocks: Sequence[LogBlock] = ()
    """They continue the replica's log, with the sequences that they have."""
    requests: Sequence[KeptRequest] = ()
    """Results of requests besides those of ``blocks``."""
    consumers: Mapping[str, int] = field(default_factory=dict)
    """Positions of consumers to set, backward too."""
    deleted_consumers: Sequence[str] = ()
    """Consumers to forget; others than those of ``consumers``."""
