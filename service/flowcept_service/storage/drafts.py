"""The events of changes to records and objects, the same in every store."""

from __future__ import annotations

from datetime import datetime

from flowcept_service.domain.events import EventAction, EventDraft, EventKind
from flowcept_service.domain.merge_state import visible_bson
from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.domain.records import RECORD_KINDS, Collection, EncodedRecord


def record_draft(
    collection: Collection, record_id: str, action: EventAction, record: EncodedRecord, now: datetime
) -> EventDraft:
    """The event of a change to a record."""
    _, shown, marks = record
    # By position: every message of a batch makes one, and names cost as much as the rest.
    return EventDraft(
        RECORD_KINDS[collection],
        action,
        record_id,
        _text(marks.get("workflow_id")),
        _text(marks.get("campaign_id")),
        _text(marks.get("activity_id")),
        "",
        0,
        now,
        shown,
    )


def object_draft(version: ObjectVersion, action: EventAction, now: datetime, data: bytes) -> EventDraft:
    """The event of a change to an object; ``data`` is the document of the version, without bytes."""
    return EventDraft(
        kind=EventKind.OBJECT,
        action=action,
        id=version.object_id,
        workflow_id=version.workflow_id or "",
        campaign_id=version.campaign_id or "",
        activity_id="",
        object_type=version.type or "",
        object_version=version.version,
        commit_time=now,
        document=visible_bson(data),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
