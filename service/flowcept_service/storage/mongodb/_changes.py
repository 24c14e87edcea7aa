"""What happens to objects, as operations of the commit writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from bson import Binary

from flowcept_service.domain.events import EventAction
from flowcept_service.domain.limits import check_record_size
from flowcept_service.domain.objects import (
    CommitResult,
    ObjectChange,
    ObjectVersion,
    PlannedChange,
    Precondition,
    check_deletable,
    plan_change,
)
from flowcept_service.domain.records import Collection, Document
from flowcept_service.storage.documents import (
    DATA_FIELD,
    OUT_OF_LINE_FIELD,
    decode_version,
    document_to_version,
    encode_document,
    version_to_document,
)
from flowcept_service.storage.drafts import object_draft
from flowcept_service.storage.mongodb._commit.unit import HISTORY, RECORDS, REQUEST_TABLE, Table, Unit
from flowcept_service.storage.mongodb._connection.raw import with_binary
from flowcept_service.storage.mongodb._payloads.foreign import current_bytes
from flowcept_service.storage.mongodb._payloads.references import find_payload, release
from flowcept_service.storage.mongodb._payloads.seal import WANTED_OF_PAYLOAD, seal
from flowcept_service.storage.refusals import request_reused

_LATEST: Final = RECORDS[Collection.OBJECTS]


@dataclass(frozen=True, slots=True)
class Commit:
    """One change to one object."""

    change: ObjectChange

    def wants(self) -> Sequence[tuple[Table, Sequence[Any]]]:
        """See ``Operation.wants``."""
        change = self.change
        wanted: list[tuple[Table, Sequence[Any]]] = [(_LATEST, [change.object_id])]
        if change.request_id:
            wanted.append((REQUEST_TABLE, [change.request_id]))
        if change.payload is not None and change.payload.inline is None:
            wanted += [(table, [change.payload.payload_id]) for table in WANTED_OF_PAYLOAD]
        return wanted

    def apply(self, unit: Unit) -> CommitResult:
        """See ``Operation.apply``."""
        return _repeat(unit, self.change) or _commit(unit, self.change)


@dataclass(frozen=True, slots=True)
class CommitKnown:
    """One change to one object, with bytes that may be here already."""

    change: ObjectChange
    size: int
    sha256: str

    def wants(self) -> Sequence[tuple[Table, Sequence[Any]]]:
        """See ``Operation.wants``."""
        return Commit(self.change).wants()

    def apply(self, unit: Unit) -> CommitResult | None:
        """See ``Operation.apply``."""
        known = _repeat(unit, self.change)
        if known is not None or self.change.save_data_in_collection:
            return known
        payload = find_payload(unit, self.size, self.sha256)
        return None if payload is None else _commit(unit, replace(self.change, payload=payload))


@dataclass(frozen=True, slots=True)
class Delete:
    """The deletion of one object."""

    object_id: str
    precondition: Precondition
    now: datetime

    def wants(self) -> Sequence[tuple[Table, Sequence[Any]]]:
        """See ``Operation.wants``."""
        return [(_LATEST, [self.object_id])]

    def apply(self, unit: Unit) -> ObjectVersion:
        """See ``Operation.apply``."""
        before = unit.get(_LATEST, self.object_id)
        known = None if before is None else document_to_version(before)
        current = check_deletable(self.object_id, known, self.precondition)
        if before is not None:
            unit.delete(_LATEST, self.object_id)
            _release(unit, current, before)
            unit.event(object_draft(current, EventAction.DELETED, self.now, _without_bytes(before)))
        return current


def repeated(change: ObjectChange, first: ObjectVersion) -> CommitResult:
    """The first result of a change, for its repeat.

    Raises:
        InvalidArgumentError: UPLOAD_HEADER_CHANGED, when it was another object's.
    """
    if first.object_id != change.object_id:
        raise request_reused(change.request_id, first.object_id, change.object_id)
    return CommitResult(first, 0, repeated=True)


def _repeat(unit: Unit, change: ObjectChange) -> CommitResult | None:
    row = unit.get(REQUEST_TABLE, change.request_id) if change.request_id else None
    return None if row is None else repeated(change, decode_version(row["document"]))


def _commit(unit: Unit, change: ObjectChange) -> CommitResult:
    before = unit.get(_LATEST, change.object_id)
    current = None if before is None else document_to_version(before)
    planned = plan_change(current, change)
    data = encode_document(version_to_document(planned.new))
    check_record_size(data)
    inline = _inline(change, before)
    stored = data if inline is None else with_binary(data, DATA_FIELD, inline)
    if change.payload is not None and inline is None:
        seal(unit, change.payload, change.object_id, change.now)
    if planned.new.payload_id is not None:
        unit.referred.add(planned.new.payload_id)
    if before is not None and current is not None:
        _retire(unit, change, planned, current, before)
    unit.put(_LATEST, change.object_id, stored)
    sequence = unit.event(object_draft(planned.new, planned.action, change.now, data))
    if change.request_id:
        row = {"at": change.now, "document": Binary(data), "sequence": sequence}
        unit.put(REQUEST_TABLE, change.request_id, encode_document(row))
    return CommitResult(decode_version(data), sequence)


def _inline(change: ObjectChange, before: Document | None) -> bytes | None:
    """The bytes that go into the document, if any do."""
    if change.payload is not None:
        return change.payload.inline
    return None if before is None else current_bytes(before)


def _retire(unit: Unit, change: ObjectChange, planned: PlannedChange, current: ObjectVersion, before: Document) -> None:
    """Keep the version that is replaced, or let go of its bytes."""
    if planned.retained is not None:
        unit.append(HISTORY, encode_document(before))
    elif change.payload is not None and current.payload_id != planned.new.payload_id:
        _release(unit, current, before)


def _release(unit: Unit, version: ObjectVersion, document: Document) -> None:
    # Bytes in the document go with it.
    if version.payload_id is not None and (DATA_FIELD not in document or OUT_OF_LINE_FIELD in document):
        release(unit, version.payload_id)


def _without_bytes(document: Document) -> bytes:
    return encode_document({name: value for name, value in document.items() if name != DATA_FIELD})
