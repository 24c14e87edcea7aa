"""Loops whose every iteration is a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flowcept.capture.loop import FlowceptLightweightLoop, FlowceptLoop
from flowcept.capture.task import FlowceptTask
from tests.support.publishing import RecordingPublisher

Captured = Callable[[], list[dict[str, Any]]]


@pytest.mark.parametrize("kind", [FlowceptLoop, FlowceptLightweightLoop])
def test_every_iteration_is_a_task_of_one_group(kind: type[Any], captured: Captured) -> None:
    loop = kind(["a", "b"], loop_name="letters", item_name="letter", parent_task_id="p")
    seen = []
    for letter in loop:
        seen.append(letter)
        loop.end_iter({"upper": letter.upper()})

    messages = captured()
    assert seen == ["a", "b"]
    assert [message["used"] for message in messages] == [{"i": 0, "letter": "a"}, {"i": 1, "letter": "b"}]
    assert [message["generated"] for message in messages] == [{"upper": "A"}, {"upper": "B"}]
    [group] = {message["group_id"] for message in messages}
    assert [message["task_id"] for message in messages] == [f"{group}0", f"{group}1"]
    assert {message["parent_task_id"] for message in messages} == {"p"}
    assert {(message["activity_id"], message["subtype"]) for message in messages} == {
        ("letters_iteration", "iteration")
    }


def test_results_without_a_name_get_one(captured: Captured) -> None:
    loop: FlowceptLoop[int] = FlowceptLoop(2)
    for item in loop:
        loop.end_iter(0.5 if item else None)  # type: ignore[arg-type]  # a user may do it all the same

    first, second = captured()
    assert "generated" not in first
    assert second["generated"] == {"arg_0": 0.5}


def test_an_iteration_is_the_parent_of_tasks_within_it(captured: Captured) -> None:
    loop: FlowceptLoop[int] = FlowceptLoop(2)
    for _ in loop:
        with FlowceptTask(activity_id="inner"):
            assert loop.get_current_iteration_id() is not None
    assert loop.get_current_iteration_id() is None

    messages = captured()
    inner = [message["parent_task_id"] for message in messages if message["activity_id"] == "inner"]
    assert inner == [message["task_id"] for message in messages if message["activity_id"] == "loop_iteration"]


def test_a_loop_has_the_length_of_its_items_or_the_one_given() -> None:
    def numbers() -> Iterator[int]:
        yield from (1, 2, 3)

    assert len(FlowceptLoop(7)) == 7
    assert len(FlowceptLoop([1, 2])) == 2
    assert len(FlowceptLoop(numbers(), items_length=3)) == 3
    assert list(FlowceptLoop(numbers())) == [1, 2, 3]


@pytest.mark.parametrize("kind", [FlowceptLoop, FlowceptLightweightLoop])
def test_a_loop_that_is_left_has_captured_what_ran(kind: type[Any], captured: Captured) -> None:
    for number in kind(range(10)):
        if number == 2:
            break

    assert [message["used"]["i"] for message in captured()] == [0, 1, 2]


def test_iterations_are_handed_over_as_they_end_or_all_in_the_end(
    publisher: RecordingPublisher, captured: Captured
) -> None:
    def tasks() -> int:
        return sum(message["type"] == "task" for message in publisher.messages)

    for number in FlowceptLoop(range(3)):
        publisher.wait_for(lambda number=number: tasks() == number)  # type: ignore[misc]  # bound now
    publisher.wait_for(lambda: tasks() == 3)
    for _ in FlowceptLightweightLoop(range(3)):
        assert tasks() == 3

    assert len(captured()) == 6


def test_capture_can_be_switched_off(captured: Captured) -> None:
    loop = FlowceptLoop(range(3), capture_enabled=False)
    for _ in loop:
        loop.end_iter({"x": 1})

    assert captured() == []
