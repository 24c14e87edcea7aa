"""The events of changes show what readers are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import bson
from hypothesis import given
from hypothesis import strategies as st

from flowcept_service.domain.events import EventAction
from flowcept_service.domain.merge_state import MERGE_STATE
from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.domain.records import Collection
from flowcept_service.storage.drafts import object_draft, record_draft
from flowcept_service.storage.records import encode_record

NOW = datetime(2026, 11, 20, tzinfo=UTC)
STATE: dict[str, Any] = {MERGE_STATE: {"times": {"x": 1}}}
RECORDS = st.dictionaries(
    st.sampled_from(["a", "workflow_id", "campaign_id"]), st.one_of(st.integers(0, 9), st.text(), st.just(STATE))
)


@given(RECORDS, st.integers(0, 3))
def test_what_merging_remembers_is_not_part_of_an_event(record: dict[str, Any], place: int) -> None:
    fields = list(record.items())
    stored = dict([*fields[:place], *STATE.items(), *fields[place:]])

    draft = record_draft(Collection.TASKS, "t", EventAction.UPDATED, encode_record(Collection.TASKS, stored), NOW)

    assert draft.document == bson.encode(record)


@given(RECORDS)
def test_an_event_has_the_record_as_it_is_stored(record: dict[str, Any]) -> None:
    draft = record_draft(Collection.TASKS, "t", EventAction.CREATED, encode_record(Collection.TASKS, record), NOW)
    texts = [value if isinstance(value := record.get(name), str) else "" for name in ("workflow_id", "campaign_id")]
    assert [draft.workflow_id, draft.campaign_id, draft.activity_id] == [*texts, ""]
    assert draft.document == bson.encode(record)


def test_nor_is_it_part_of_the_event_of_an_object() -> None:
    version = ObjectVersion("o", 0, 0, data_sha256="", created_at=None, updated_at=None, payload_id=None)
    draft = object_draft(version, EventAction.CREATED, NOW, bson.encode({**STATE, "object_id": "o"}))
    assert bson.decode(draft.document) == {"object_id": "o"}
