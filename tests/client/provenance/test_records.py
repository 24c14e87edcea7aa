"""Storing records and reading them back, through the real client and service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from flowcept.db import DBAPI
from flowcept.errors import InvalidArgumentError, PreconditionError, Reason, UnavailableError
from flowcept.records import AgentObject, TaskObject, WorkflowObject
from flowcept.vocabulary import Status
from tests.client.conftest import Connect


def make_task(workflow_id: str, **fields: Any) -> TaskObject:
    return TaskObject.from_dict({"workflow_id": workflow_id, **fields})


def test_a_task_comes_back_as_it_was_stored(db: DBAPI, workflow_id: str) -> None:
    task = make_task(workflow_id, activity_id="train", used={"lr": 0.1}, status="FINISHED", started_at=1_700_000_000.5)

    stored = db.insert_or_update_task(task)

    assert stored is task
    assert task.task_id
    [found] = db.task_query({"task_id": task.task_id})
    assert found["workflow_id"] == workflow_id
    assert found["used"] == {"lr": 0.1}
    assert found["status"] == "FINISHED"
    assert found["started_at"] == datetime.fromtimestamp(1_700_000_000.5, UTC)


def test_updates_of_a_task_are_merged_key_by_key(db: DBAPI, workflow_id: str) -> None:
    task = db.insert_or_update_task(make_task(workflow_id, used={"lr": 0.1, "seed": 1}, hostname="old"))
    update = make_task(workflow_id, task_id=task.task_id, used={"lr": 0.2}, generated={"loss": 0.5}, hostname="new")

    db.insert_or_update_task(update)

    [found] = db.task_query({"task_id": task.task_id})
    assert found["used"] == {"lr": 0.2, "seed": 1}
    assert found["generated"] == {"loss": 0.5}
    assert found["hostname"] == "new"


def test_an_update_of_a_record_that_was_read_back_takes_effect(db: DBAPI) -> None:
    workflow = WorkflowObject(name="before")
    workflow.utc_timestamp = 4_000_000_000.0  # whatever it says, the update is made now
    workflow_id = db.insert_or_update_workflow(workflow).workflow_id
    assert workflow_id
    read = db.get_workflow_object(workflow_id)
    assert read is not None
    read.name = "after"

    db.insert_or_update_workflow(read)

    again = db.get_workflow_object(workflow_id)
    assert again is not None
    assert again.name == "after"


def test_a_workflow_gets_an_identifier_and_is_read_as_an_object(db: DBAPI) -> None:
    workflow = db.insert_or_update_workflow(WorkflowObject(name="w", used={"epochs": 3}))

    assert workflow.workflow_id
    read = db.get_workflow_object(workflow.workflow_id)
    assert isinstance(read, WorkflowObject)
    assert (read.name, read.used) == ("w", {"epochs": 3})
    assert db.workflow_query({"workflow_id": workflow.workflow_id})[0]["name"] == "w"


def test_an_agent_gets_an_identifier_and_is_read_as_an_object(db: DBAPI, workflow_id: str) -> None:
    agent = db.insert_or_update_agent(AgentObject(name="planner", workflow_id=workflow_id))

    assert agent.agent_id
    read = db.get_agent_object(agent.agent_id)
    assert read is not None
    assert read.name == "planner"
    assert db.agent_query({"workflow_id": workflow_id})[0]["agent_id"] == agent.agent_id


def test_what_is_not_there_is_none(db: DBAPI, new_id: Callable[[str], str]) -> None:
    assert db.get_workflow_object(new_id("none")) is None
    assert db.get_agent_object(new_id("none")) is None


def test_values_of_other_libraries_become_plain_ones(db: DBAPI, workflow_id: str) -> None:
    numpy = pytest.importorskip("numpy")

    @dataclass
    class Parameters:
        lr: float

    used = {"array": numpy.arange(5000), "scalar": numpy.float32(0.5), "parameters": Parameters(0.1)}
    task = db.insert_or_update_task(make_task(workflow_id, used=used))

    [found] = db.task_query({"task_id": task.task_id})
    assert found["used"] == {"array": list(range(5000)), "scalar": 0.5, "parameters": {"lr": 0.1}}


def test_a_wrong_field_is_refused_by_its_name(db: DBAPI, workflow_id: str) -> None:
    task = make_task(workflow_id)
    task.task_id = "x" * 300

    with pytest.raises(InvalidArgumentError) as caught:
        db.insert_or_update_task(task)

    assert caught.value.metadata["field"] == "task_id"
    assert caught.value.reason is Reason.INVALID_IDENTIFIER


def test_a_record_over_three_mebibytes_points_to_blobs(db: DBAPI, workflow_id: str) -> None:
    with pytest.raises(InvalidArgumentError, match="blob") as caught:
        db.insert_or_update_task(make_task(workflow_id, stdout="x" * (4 << 20)))

    assert caught.value.reason is Reason.RECORD_TOO_LARGE


def test_what_is_no_task_is_refused(db: DBAPI) -> None:
    with pytest.raises(InvalidArgumentError, match="from_dict"):
        db.insert_or_update_task({"task_id": "t"})  # type: ignore[arg-type]  # what is tested


def test_one_bad_message_of_a_batch_is_rejected_and_all_others_are_stored(db: DBAPI, workflow_id: str) -> None:
    messages: list[dict[str, Any]] = [
        {"type": "task", "workflow_id": workflow_id, "used": {"i": number}} for number in range(500)
    ]
    messages[77]["used"] = {"deep": {"big": "x" * (4 << 20)}}
    messages[99]["status"] = "SLEEPING"

    published = db.publish(messages)

    assert published.stored == 498
    assert [(rejection.index, rejection.field) for rejection in published.rejections] == [(77, ""), (99, "status")]
    assert db.query({"workflow_id": workflow_id}, aggregation=[("count", "*")])[0]["count"] == 498


def test_what_is_no_message_is_rejected_in_its_place(db: DBAPI, workflow_id: str) -> None:
    message = {"type": "task", "workflow_id": workflow_id}

    published = db.publish([message, 5, message, None])  # type: ignore[list-item]  # what is tested

    assert published.stored == 2
    assert [(rejection.index, rejection.reason) for rejection in published.rejections] == [
        (1, Reason.INVALID_FIELD),
        (3, Reason.INVALID_FIELD),
    ]
    assert "a record or a dictionary" in published.rejections[0].message


def test_integers_over_64_bits_and_odd_keys_are_kept(db: DBAPI, workflow_id: str) -> None:
    used = {"huge": 2**80, "$ref": "r", "a.b": 1, "": 2, "nested": {"$id": "$$ROOT"}}

    task = db.insert_or_update_task(make_task(workflow_id, used=used))

    [found] = db.task_query({"task_id": task.task_id})
    assert found["used"] == used | {"huge": str(2**80)}


def test_strings_that_start_with_a_dollar_are_strings(db: DBAPI, workflow_id: str) -> None:
    used = {"a": "$used", "b": "$$ROOT"}
    task = make_task(workflow_id, activity_id="$used", used=used, stdout="$generated")

    db.insert_or_update_task(task)

    [found] = db.task_query({"task_id": task.task_id})
    assert (found["activity_id"], found["used"], found["stdout"]) == ("$used", used, "$generated")


def test_publishing_the_same_messages_again_stores_nothing(db: DBAPI, workflow_id: str) -> None:
    messages = [{"type": "task", "workflow_id": workflow_id, "message_id": f"{workflow_id}-{n}"} for n in range(10)]

    first, second = db.publish(messages), db.publish(messages)

    assert (first.stored, first.duplicates) == (10, 0)
    assert (second.stored, second.duplicates) == (0, 10)
    assert len(db.task_query({"workflow_id": workflow_id})) == 10


def test_a_large_publication_travels_in_requests_under_the_limit(db: DBAPI, workflow_id: str) -> None:
    done: list[int] = []
    messages = ({"type": "task", "workflow_id": workflow_id, "stdout": "x" * 1_000_000} for _ in range(8))

    published = db.publish(messages, progress=done.append)

    assert published.stored == 8
    assert done == [3, 6, 8]


def test_of_messages_without_a_time_the_later_one_counts(db: DBAPI, workflow_id: str) -> None:
    record = {"type": "task", "task_id": workflow_id}

    db.publish([record | {"used": {"x": "zzz"}}])
    db.publish([record | {"used": {"x": "aaa"}}])

    assert db.task_query({"task_id": workflow_id})[0]["used"] == {"x": "aaa"}


def test_deleting_a_workflow_takes_its_tasks_and_agents(db: DBAPI, workflow_id: str) -> None:
    db.insert_or_update_workflow(WorkflowObject(workflow_id))
    for _ in range(3):
        db.insert_or_update_task(make_task(workflow_id))
    db.insert_or_update_agent(AgentObject(workflow_id=workflow_id))

    assert db.delete_workflow_data(workflow_id) == {"workflows": 1, "tasks": 3, "objects": 0, "agents": 1}
    assert db.task_query({"workflow_id": workflow_id}) == []


def test_deleting_a_campaign_takes_all_its_workflows(db: DBAPI, new_id: Callable[[str], str]) -> None:
    campaign_id = new_id("campaign")
    for _ in range(2):
        workflow = WorkflowObject()
        workflow.campaign_id = campaign_id
        db.insert_or_update_workflow(workflow)

    assert db.delete_campaign_data(campaign_id)["workflows"] == 2
    assert db.workflow_query({"campaign_id": campaign_id}) == []


def test_deleting_without_saying_what_is_refused(db: DBAPI) -> None:
    with pytest.raises(InvalidArgumentError, match="workflow_id"):
        db.delete_workflow_data("")


def test_a_status_is_final(db: DBAPI, workflow_id: str) -> None:
    task = db.insert_or_update_task(make_task(workflow_id, status=Status.FINISHED))

    db.insert_or_update_task(make_task(workflow_id, task_id=task.task_id, status=Status.RUNNING))

    assert db.task_query({"task_id": task.task_id})[0]["status"] == "FINISHED"


def test_without_a_service_storing_fails_within_the_attempts(connect: Connect) -> None:
    db = connect("127.0.0.1:1", retry={"max_attempts": 2, "initial_backoff": 0.01}, connect_timeout=0.2)

    with pytest.raises(UnavailableError, match="FLOWCEPT_TARGET"):
        db.insert_or_update_task(TaskObject())
    assert db.liveness_test() is False


def test_the_current_workflow_must_have_begun(db: DBAPI) -> None:
    with pytest.raises(PreconditionError, match="workflow_id"):
        db.get_tasks_from_current_workflow()
