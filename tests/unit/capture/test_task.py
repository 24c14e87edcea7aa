"""Tasks: what their messages say."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bson import ObjectId

from flowcept.capture.context import get_current_context_task_id
from flowcept.capture.controller import Flowcept
from flowcept.capture.task import FlowceptTask
from flowcept.jsonlines import decode_line, encode_line
from flowcept.vocabulary import Status

Captured = Callable[[], list[dict[str, Any]]]


def test_a_task_says_what_it_used_and_generated(captured: Captured) -> None:
    with FlowceptTask(activity_id="train", used={"lr": 0.1}, tags=["a"], custom_metadata={"x": 1}) as task:
        task.end(generated={"loss": 0.5}, custom_metadata={"y": 2})

    [message] = captured()
    assert message["task_id"] == task.get_id()
    assert (message["workflow_id"], message["campaign_id"], message["activity_id"]) == ("w", "c", "train")
    assert (message["used"], message["generated"], message["tags"]) == ({"lr": 0.1}, {"loss": 0.5}, ["a"])
    assert message["custom_metadata"] == {"x": 1, "y": 2}
    assert message["status"] == "FINISHED"
    assert message["started_at"] <= message["ended_at"]
    assert (task.get_workflow_id(), task.get_campaign_id(), task.get_agent_id()) == ("w", "c", None)


def test_inputs_are_as_they_were_at_the_start(captured: Captured) -> None:
    used = {"items": [1, 2]}
    with FlowceptTask(activity_id="a", used=used):
        used["items"].append(3)

    assert captured()[0]["used"] == {"items": [1, 2]}


def test_whatever_is_given_the_message_can_be_sent_and_kept(captured: Captured) -> None:
    workflow = uuid.UUID(int=7)
    found = ObjectId("507f1f77bcf86cd799439011")
    with FlowceptTask(
        task_id=workflow,  # type: ignore[arg-type]  # what a user may do all the same
        workflow_id=workflow,  # type: ignore[arg-type]  # likewise
        activity_id=Path("train.py"),  # type: ignore[arg-type]  # likewise
        used={"document": found},
        started_at=Decimal("1.5"),  # type: ignore[arg-type]  # likewise
        hostname="\udcff",
    ) as task:
        task.end(generated=np.zeros(3))  # type: ignore[arg-type]  # likewise

    [message] = captured()
    assert (message["task_id"], task.get_id(), task.get_workflow_id()) == (str(workflow),) * 3
    assert (message["activity_id"], message["hostname"]) == ("train.py", "\\udcff")
    assert decode_line(encode_line(message), "here") == message
    assert message["used"] == {"document": found}


def test_results_that_are_an_array_end_a_task_at_once(captured: Captured) -> None:
    FlowceptTask(activity_id="a", generated=np.zeros(3))  # type: ignore[arg-type]  # a user may do it all the same

    assert captured()[0]["generated"] == [0.0, 0.0, 0.0]


def test_an_exception_is_the_error_of_the_task_and_goes_on(captured: Captured) -> None:
    with pytest.raises(ValueError, match="wrong"), FlowceptTask(activity_id="a"):
        raise ValueError("wrong")

    [message] = captured()
    assert (message["status"], message["stderr"]) == ("ERROR", "ValueError: wrong")


def test_standard_error_makes_the_status_error(captured: Captured) -> None:
    FlowceptTask(activity_id="a").end(stderr="oops")
    FlowceptTask(activity_id="b").end(stderr="oops", status=Status.FINISHED)

    assert [message["status"] for message in captured()] == ["ERROR", "FINISHED"]


def test_a_task_made_with_its_results_has_ended_at_once(captured: Captured) -> None:
    task = FlowceptTask(activity_id="a", generated={"x": 1}, started_at=1.0, ended_at=2.0)
    task.end(generated={"x": 2})

    [message] = captured()
    assert (message["generated"], message["started_at"], message["ended_at"]) == ({"x": 1}, 1.0, 2.0)


def test_sending_is_beginning_and_ending_at_one_moment(captured: Captured) -> None:
    FlowceptTask(activity_id="a").send()

    [message] = captured()
    assert message["started_at"] == message["ended_at"]


def test_a_task_within_a_task_is_its_child(captured: Captured) -> None:
    with FlowceptTask(activity_id="outer") as outer:
        assert get_current_context_task_id() == outer.get_id()
        with FlowceptTask(activity_id="inner"):
            pass
    assert get_current_context_task_id() is None

    inner, parent = captured()
    assert inner["parent_task_id"] == outer.get_id()
    assert "parent_task_id" not in parent


def test_concurrent_tasks_do_not_mix_up_their_parents(captured: Captured) -> None:
    async def work(number: int) -> None:
        with FlowceptTask(activity_id=f"outer-{number}"):
            await asyncio.sleep(0)
            with FlowceptTask(activity_id=f"inner-{number}"):
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(5)))

    asyncio.run(main())

    messages = {message["activity_id"]: message for message in captured()}
    for number in range(5):
        assert messages[f"inner-{number}"]["parent_task_id"] == messages[f"outer-{number}"]["task_id"]


def test_a_thread_of_its_own_belongs_to_the_run(captured: Captured) -> None:
    thread = threading.Thread(target=lambda: FlowceptTask(activity_id="a").end())
    thread.start()
    thread.join()

    assert captured()[0]["workflow_id"] == "w"


def test_outside_a_run_nothing_happens() -> None:
    with FlowceptTask(activity_id="a", task_id="given") as task:
        task.end(generated={"x": 1})

    assert task.get_id() == "given"
    assert FlowceptTask().get_id() is None


def test_values_that_cannot_be_encoded_do_not_reach_the_users_code(captured: Captured) -> None:
    class Stubborn:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    with FlowceptTask(activity_id="a", used={"stubborn": Stubborn(), "ok": 1}):
        pass

    assert captured()[0]["used"]["ok"] == 1


def test_every_message_has_an_identifier_of_its_own(run: Flowcept, captured: Captured) -> None:
    for _ in range(100):
        FlowceptTask(activity_id="a").send()

    messages = captured()
    assert len({message["message_id"] for message in messages}) == 100
    assert len({message["task_id"] for message in messages}) == 100
