"""Captured functions behave as they did, and their calls are tasks."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from flowcept.capture.decorator import flowcept_task, lightweight_flowcept_task, telemetry_flowcept_task
from flowcept.capture.task import FlowceptTask

Captured = Callable[[], list[dict[str, Any]]]


@flowcept_task
def add(a: int, b: int = 2, *more: int, **named: int) -> int:
    """Adds."""
    return a + b + sum(more) + sum(named.values())


def test_arguments_have_their_names_and_defaults(captured: Captured) -> None:
    assert add(1) == 3
    assert add(1, 2, 3, x=4) == 10

    first, second = captured()
    assert (first["activity_id"], first["used"], first["generated"]) == ("add", {"a": 1, "b": 2}, {"arg_0": 3})
    assert second["used"] == {"a": 1, "b": 2, "arg_0": 3, "x": 4}


def test_the_function_keeps_its_name_and_documentation() -> None:
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    assert add(1) == 3  # without a run


def test_results_get_the_given_names(captured: Captured) -> None:
    flowcept_task(output_names="loss")(lambda: 0.5)()
    flowcept_task(output_names=["a", "b"])(lambda: (1, 2))()
    flowcept_task(output_names=["a", "b", "c"])(lambda: (1, 2))()
    flowcept_task(lambda: {"x": 1})()
    flowcept_task(lambda: None)()

    assert [message.get("generated") for message in captured()] == [
        {"loss": 0.5},
        {"a": 1, "b": 2},
        {"arg_0": 1, "arg_1": 2},
        {"x": 1},
        None,
    ]


def test_an_error_is_captured_and_goes_on(captured: Captured) -> None:
    @flowcept_task
    def fail() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        fail()

    [message] = captured()
    assert (message["status"], message["stderr"]) == ("ERROR", "ValueError: wrong")


def test_wrong_arguments_fail_as_they_would_without_capture(captured: Captured) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        add()  # type: ignore[call-arg]  # what is tested

    assert captured()[0]["status"] == "ERROR"


def test_coroutine_functions_are_captured_over_their_whole_run(captured: Captured) -> None:
    @flowcept_task(output_names="result")
    async def fetch(number: int) -> int:
        await asyncio.sleep(0)
        with FlowceptTask(activity_id="inner"):
            return number * 2

    async def main() -> list[int]:
        return await asyncio.gather(*(fetch(number) for number in range(3)))

    assert asyncio.run(main()) == [0, 2, 4]

    messages = captured()
    fetches = {message["task_id"]: message for message in messages if message["activity_id"] == "fetch"}
    assert sorted(message["generated"]["result"] for message in fetches.values()) == [0, 2, 4]
    parents = {message["parent_task_id"] for message in messages if message["activity_id"] == "inner"}
    assert parents == set(fetches)


def test_a_cancelled_coroutine_is_an_error(captured: Captured) -> None:
    @flowcept_task
    async def wait() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())

    assert captured()[0]["status"] == "ERROR"


def test_the_record_that_a_call_belongs_to_can_be_an_argument(captured: Captured) -> None:
    @flowcept_task(agent_id="default")
    def act(x: int, workflow_id: str | None = None, agent_id: str | None = None) -> None:
        pass

    act(1, workflow_id="other", agent_id="me")
    act(2)

    first, second = captured()
    assert (first["workflow_id"], first["agent_id"], first["used"]) == ("other", "me", {"x": 1})
    assert (second["workflow_id"], second["agent_id"]) == ("w", "default")


def test_methods_have_no_self_among_their_inputs(captured: Captured) -> None:
    class Model:
        @telemetry_flowcept_task
        def forward(self, x: int) -> int:
            return x

    Model().forward(3)

    [message] = captured()
    assert message["used"] == {"x": 3}
    assert message["activity_id"].endswith("Model.forward")


def test_a_parsed_command_line_is_its_options(captured: Captured) -> None:
    @flowcept_task
    def main(args: argparse.Namespace) -> None:
        pass

    main(argparse.Namespace(lr=0.1, epochs=3))

    assert captured()[0]["used"] == {"lr": 0.1, "epochs": 3}


def test_inputs_can_be_chosen_and_a_failing_choice_does_not_matter(captured: Captured) -> None:
    def fail(*args: Any, **kwargs: Any) -> Mapping[str, Any]:
        raise RuntimeError("no")

    flowcept_task(args_handler=lambda *args, **kwargs: {"count": len(args)})(lambda *args: None)(1, 2)
    assert flowcept_task(args_handler=fail)(lambda x: x)(1) == 1

    first, second = captured()
    assert first["used"] == {"count": 2}
    assert second["generated"] == {"arg_0": 1}


def test_lightweight_capture_sends_names_and_values_only(captured: Captured) -> None:
    @lightweight_flowcept_task
    def double(*, x: int) -> dict[str, int]:
        return {"y": 2 * x}

    assert double(x=4) == {"y": 8}

    [message] = captured()
    assert (message["activity_id"], message["used"], message["generated"]) == ("double", {"x": 4}, {"y": 8})
    assert "task_id" not in message
    assert message["utc_timestamp"] > 0
