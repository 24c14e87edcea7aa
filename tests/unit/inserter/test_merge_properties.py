"""Any order and any grouping of the same messages ends in the same record."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from types import MappingProxyType
from typing import Any

import bson
from hypothesis import given, settings
from hypothesis import strategies as st

from flowcept_service.domain.records import Collection
from flowcept_service.provenance.inserter import (
    InserterSettings,
    PrepareContext,
    merge,
    merge_records,
    prepare,
)
from tests.unit.inserter.messages import AWARE, NOW, canonical, merged, prepared, telemetry, visible

ENRICHED = InserterSettings(
    defaults=MappingProxyType({Collection.TASKS: {"hostname": "alpha", "user": "service"}}),
)

plain = st.one_of(
    st.none(),
    st.sampled_from(
        [0, 1, True, False, 1.0, 0.0, -0.0, float("nan"), 2**62, "", "1", "$used", [1], {"x": 1}, {"x": 2}]
    ),
    st.integers(-3, 3),
)
times = st.integers(0, 5).map(lambda tick: 1_700_000_000 + tick * 0.25)
keyed = st.dictionaries(st.sampled_from(["a", "b", "c.d", "$e", ""]), plain, max_size=4)
labels = st.lists(st.sampled_from(["z", "a", "m", "high_cpu", "long_duration"]), max_size=4)
snapshots = st.builds(
    telemetry, percent=st.sampled_from([0.0, 50.0, 95.0]), used=st.sampled_from([0, 2 * 10**9]), gpu=st.none() | keyed
) | st.just({"cpu": None})

task_messages = st.fixed_dictionaries(
    {"type": st.just("task"), "task_id": st.just("t")},
    optional={
        "utc_timestamp": times,
        "submitted_at": times,
        "started_at": times,
        "ended_at": times,
        "registered_at": times,
        "status": st.sampled_from(["UNKNOWN", "SUBMITTED", "WAITING", "RUNNING", "FINISHED", "ERROR"]),
        "used": keyed,
        "generated": keyed | st.fixed_dictionaries({"result": st.floats(0, 1)}),
        "custom_metadata": keyed,
        "telemetry_at_start": snapshots,
        "telemetry_at_end": snapshots,
        "telemetry_summary": keyed,
        "tags": labels,
        "dependencies": labels,
        "hostname": st.sampled_from(["alpha", "beta", "gamma"]),
        "group_id": st.just("g"),
        "anything": plain,
        "a.b": plain,
    },
)
workflow_messages = st.fixed_dictionaries(
    {"type": st.just("workflow"), "workflow_id": st.just("w")},
    optional={
        "utc_timestamp": st.floats(1.6e9, 1.8e9),
        "started_at": times,
        "ended_at": times,
        "status": st.sampled_from(["RUNNING", "FINISHED", "ERROR"]),
        "interceptor_ids": labels,
        "machine_info": keyed,
        "used": keyed,
        "conf": keyed,
        "name": st.sampled_from(["n1", "n2"]),
    },
)
agent_messages = st.fixed_dictionaries(
    {"type": st.just("agent"), "agent_id": st.just("a")},
    optional={"registered_at": times, "name": st.sampled_from(["n1", "n2"]), "extra_metadata": keyed, "x": plain},
)
same_kind = st.one_of(
    *(st.lists(messages, min_size=1, max_size=6) for messages in (task_messages, workflow_messages, agent_messages))
)
inserter_settings = st.sampled_from(
    [
        InserterSettings(),
        ENRICHED,
        InserterSettings(summarize_telemetry=False),
        InserterSettings(tag_critical_tasks=False),
    ]
)

Messages = list[dict[str, Any]]


@settings(max_examples=150)
@given(same_kind, inserter_settings, st.data())
def test_any_order_ends_in_the_same_record(messages: Messages, config: InserterSettings, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(messages))

    assert canonical(merged(shuffled, config)) == canonical(merged(messages, config))


@settings(max_examples=150)
@given(same_kind, inserter_settings, st.data())
def test_any_grouping_ends_in_the_same_record(
    messages: Messages, config: InserterSettings, data: st.DataObject
) -> None:
    collection = prepared(messages[0]).collection
    records = [merged([message], config) for message in messages]
    while len(records) > 1:
        left = records.pop(data.draw(st.integers(0, len(records) - 1)))
        right = records.pop(data.draw(st.integers(0, len(records) - 1)))
        records.append(bson.decode(bson.encode(merge_records(left, right, collection, config)), AWARE))

    assert canonical(records[0]) == canonical(merged(messages, config))


@settings(max_examples=150)
@given(same_kind, inserter_settings, st.data())
def test_a_repeated_message_changes_nothing(messages: Messages, config: InserterSettings, data: st.DataObject) -> None:
    repeated = data.draw(st.permutations([*messages, data.draw(st.sampled_from(messages))]))

    assert canonical(merged(repeated, config)) == canonical(merged(messages, config))


@given(same_kind, inserter_settings)
def test_a_record_is_the_same_merged_in_memory_and_through_the_store(
    messages: Messages, config: InserterSettings
) -> None:
    record = None
    for message in messages:
        record = merge(record, prepared(message, config), config)

    assert record is not None
    assert canonical(record) == canonical(merged(messages, config))


@given(same_kind)
def test_dates_without_a_time_zone_merge_like_those_with_one(messages: Messages) -> None:
    record = None
    for message in messages:
        record = bson.decode(bson.encode(merge(record, prepared(message), InserterSettings())))

    assert record is not None
    assert canonical(record) == canonical(merged(messages))


@given(st.lists(task_messages, min_size=2, max_size=4), st.data())
def test_the_order_of_arrival_leaves_no_trace_even_in_the_registration_time(
    messages: Messages, data: st.DataObject
) -> None:
    def arrive(arriving: Messages) -> dict[str, Any]:
        ticks = count()
        ticking = PrepareContext(clock=lambda: NOW + timedelta(seconds=next(ticks)), new_id=lambda: "new")
        record = None
        for message in arriving:
            unregistered = {field: value for field, value in message.items() if field != "registered_at"}
            record = merge(record, prepare(unregistered, InserterSettings(), ticking), InserterSettings())
        assert record is not None
        return record

    assert canonical(arrive(data.draw(st.permutations(messages)))) == canonical(arrive(messages))


@given(st.lists(task_messages, min_size=1, max_size=5))
def test_merging_changes_none_of_its_arguments(messages: Messages) -> None:
    record = merged(messages[:1])
    for message in messages:
        incoming = prepared(message)
        before = bson.encode(record), bson.encode(incoming.fields), bson.encode(message)
        following = merge(record, incoming, InserterSettings())
        assert (bson.encode(record), bson.encode(incoming.fields), bson.encode(message)) == before
        record = following


@given(task_messages)
def test_a_record_of_one_message_needs_no_times_of_its_values(message: dict[str, Any]) -> None:
    assert "times" not in merged([message]).get("_merge", {})


@given(st.lists(task_messages, min_size=1, max_size=5))
def test_every_tag_that_a_user_gave_is_in_the_record_once(messages: Messages) -> None:
    given_tags = {tag for message in messages for tag in message.get("tags", [])}

    tags = visible(merged(messages)).get("tags", [])

    assert given_tags <= set(tags)
    assert len(tags) == len(set(tags))
