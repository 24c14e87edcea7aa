"""The record after a message. Any order and any grouping of the same messages ends in the same record.

Merging is commutative, associative and idempotent, field by field:

- ``submitted_at``, ``started_at``, ``registered_at``: the earliest.
- ``ended_at``, ``utc_timestamp``: the latest.
- ``status``: FINISHED and ERROR before all others, UNKNOWN after all others; else the later one; at the same time the
  one further on in life, ERROR furthest of all.
- ``tags``, ``dependencies``, ``dependents``, ``interceptor_ids``: the union, in the given order while all messages give
  the same list, else sorted.
- ``used``, ``generated``, ``custom_metadata``, ``telemetry_at_start``, ``telemetry_at_end``, ``machine_info``, an
  agent's ``extra_metadata``: the keys of all messages; the value of each key as in the other fields.
- All other fields: the later value; at the same time the greater one (numbers by size, strings by code point, others by
  their BSON).

None never replaces anything. *Later* is the message's own matter, not that of its arrival: a message is as late as the
latest of its times (``utc_timestamp``, ``submitted_at``, ``started_at``, ``ended_at``; an agent's ``registered_at``),
to the millisecond, and one without any comes before all others. So an update replaces what was said before if it
carries the time at which it was made, which publishers put into ``utc_timestamp``. What a merged record needs to
remember for this is described in ``precedence``. The order of the fields of a merged record is not defined.

Derived values (telemetry summary, tags of critical tasks) and defaults of missing fields are put on last, from the
merged record alone; what could be taken for something said comes off before the next merge.
"""

from __future__ import annotations

from flowcept_service.domain.merge_state import MERGE_STATE
from flowcept_service.domain.records import Collection, Document
from flowcept_service.provenance.inserter.derive import critical_tags, has_telemetry, summarize_telemetry
from flowcept_service.provenance.inserter.fields import SCHEMAS, as_list
from flowcept_service.provenance.inserter.join import join
from flowcept_service.provenance.inserter.preparation import PreparedRecord
from flowcept_service.provenance.inserter.settings import InserterSettings


def merge(existing: Document | None, prepared: PreparedRecord, settings: InserterSettings) -> Document:
    """The record after a message.

    Args:
        existing: The record as stored, with the state that merging left in it; None when there is none. Not changed.
        prepared: The message.
        settings: As for ``prepare``.

    Returns:
        A new record. It shares nested values with the arguments.
    """
    if existing is None:
        return _decorate(dict(prepared.fields), prepared.collection, settings)
    return merge_records(existing, prepared.fields, prepared.collection, settings)


def merge_records(left: Document, right: Document, collection: Collection, settings: InserterSettings) -> Document:
    """The record that two groups of messages about one thing make together, from the record that each group made."""
    left, right = _undecorate(left, collection, settings), _undecorate(right, collection, settings)
    return _decorate(join(left, right, SCHEMAS[collection]), collection, settings)


def _undecorate(record: Document, collection: Collection, settings: InserterSettings) -> Document:
    """What messages said, without what was derived from it. A default goes even if a client gave it: it comes back."""
    defaults = settings.defaults.get(collection, {})
    said = {field: value for field, value in record.items() if field not in defaults or value != defaults[field]}
    derived = record.get(MERGE_STATE, {}).get("tags")
    if derived:
        said["tags"] = [tag for tag in record["tags"] if tag not in derived]
        if not said["tags"]:
            del said["tags"]
    return said


def _decorate(record: Document, collection: Collection, settings: InserterSettings) -> Document:
    """Put on what the record lacks and what it says about itself; changes and returns it."""
    for field, value in settings.defaults.get(collection, {}).items():
        if record.get(field) is None:
            record[field] = value
    if settings.summarize_telemetry and collection is Collection.TASKS and has_telemetry(record):
        _put_derived(record, settings)
    return record


def _put_derived(record: Document, settings: InserterSettings) -> None:
    state = dict(record.pop(MERGE_STATE, {}))
    record.pop("telemetry_summary", None)
    times = {field: time for field, time in state.pop("times", {}).items() if field != "telemetry_summary"}
    if times:
        state["times"] = times
    summary = summarize_telemetry(record)
    if summary:
        record["telemetry_summary"] = summary
    if settings.tag_critical_tasks:
        given = as_list(record.get("tags", []))
        derived = [tag for tag in critical_tags(record, summary, settings.thresholds) if tag not in given]
        if derived:
            record["tags"] = [*given, *derived]
            state["tags"] = derived
    if state:
        record[MERGE_STATE] = state
