"""Tasks, workflows and agents as objects."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flowcept.db import BlobObject
from flowcept.errors import InvalidArgumentError, shorten
from flowcept.records import AgentObject, Record, TaskObject, WorkflowObject, stamp
from flowcept.vocabulary import Status

KINDS = [TaskObject, WorkflowObject, AgentObject]


@pytest.mark.parametrize("kind", KINDS)
def test_going_to_a_dictionary_and_back_loses_nothing(kind: type[Record]) -> None:
    fields = {"workflow_id": "w", "name": "n", "unknown": {"kept": True}}

    record = kind.from_dict({**fields, "type": kind.type})

    assert record.to_dict() == {**fields, "type": kind.type}
    assert kind.from_dict(record.to_dict()) == record
    assert kind.deserialize(record.serialize()) == record


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_record_has_nothing_but_its_kind(kind: type[Record]) -> None:
    assert kind().to_dict() == {"type": kind.type}


def test_a_status_is_a_member_of_the_vocabulary() -> None:
    task = TaskObject.from_dict({"status": "FINISHED"})

    assert task.status is Status.FINISHED
    assert task.to_dict()["status"] == "FINISHED"
    with pytest.raises(InvalidArgumentError, match="SLEEPING"):
        TaskObject.from_dict({"status": "SLEEPING"})


def test_bytes_that_are_no_record_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="TaskObject"):
        TaskObject.deserialize(b"nothing")


@pytest.mark.parametrize("kind", [*KINDS, BlobObject])
@pytest.mark.parametrize("given", [5, None, "task_id", [("task_id", "t")]])
def test_what_is_no_dictionary_is_refused_with_what_was_given(kind: Any, given: object) -> None:
    with pytest.raises(InvalidArgumentError, match=re.escape(f"is {given!r} of type {type(given).__name__}")):
        kind.from_dict(given)


@pytest.mark.parametrize("kind", [*KINDS, BlobObject])
def test_a_field_whose_name_is_no_string_is_refused(kind: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="field name is 7 of type int"):
        kind.from_dict({7: "seven"})


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_bytes_is_not_deserialized(kind: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="serialized_data is 5 of type int"):
        kind.deserialize(5)


def test_facts_of_the_host_are_added_where_they_are_missing() -> None:
    task = TaskObject.from_dict({"hostname": "given"})
    task.enrich("adapter")
    fields: dict[str, Any] = {}
    TaskObject.enrich_task_dict(fields)

    assert (task.hostname, task.adapter_id) == ("given", "adapter")
    assert task.node_name == fields["node_name"]
    assert fields["hostname"] not in ("", "given")


def test_field_names_are_those_of_the_library() -> None:
    assert TaskObject.task_id_field() == "task_id"
    assert (TaskObject.workflow_id_field(), WorkflowObject.workflow_id_field()) == ("workflow_id", "workflow_id")
    assert AgentObject.agent_id_field() == "agent_id"
    assert "started_at" in TaskObject.get_time_field_names()
    assert "used" in TaskObject.get_dict_field_names()


def test_a_workflow_is_finished_by_its_status() -> None:
    assert [WorkflowObject.from_dict({"status": status}).workflow_is_finished() for status in Status] == [
        status in Status.get_finished_statuses() for status in Status
    ]


def test_a_record_shows_what_matters() -> None:
    assert repr(TaskObject.from_dict({"task_id": "t", "stdout": "long"})) == "TaskObject(task_id='t')"


def test_a_message_without_a_time_gets_the_present_one() -> None:
    untimed: dict[str, Any] = {"task_id": "t", "started_at": None}
    timed: dict[str, Any] = {"task_id": "t", "ended_at": 1.0}
    for message in (untimed, timed):
        stamp(message, 7.0)

    assert untimed["utc_timestamp"] == 7.0
    assert "utc_timestamp" not in timed


@pytest.mark.parametrize("value", ["x" * 1000, b"x" * 1000, [0] * 1000])
def test_a_long_value_is_shortened(value: object) -> None:
    assert shorten(value, limit=20) == f"{repr(value)[:19]}…"
