from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from tests.unit.inserter.messages import merged, visible


def task(**given: Any) -> dict[str, Any]:
    return {"type": "task", "task_id": "t", **given}


def in_any_order(*messages: dict[str, Any]) -> dict[str, Any]:
    """The visible record, which must not depend on the order of the messages."""
    records = [visible(merged(order)) for order in permutations(messages)]
    assert all(record == records[0] for record in records)
    return records[0]


@pytest.mark.parametrize("final", ["FINISHED", "ERROR"])
def test_a_final_status_is_never_taken_back(final: str) -> None:
    late = task(status="RUNNING", utc_timestamp=9.0)
    assert in_any_order(task(status=final, utc_timestamp=1.0), late)["status"] == final


def test_the_later_status_goes_before_the_earlier_one() -> None:
    messages = task(status="RUNNING", utc_timestamp=1.0), task(status="WAITING", utc_timestamp=2.0)
    assert in_any_order(*messages)["status"] == "WAITING"


def test_unknown_goes_before_nothing_else() -> None:
    messages = task(status="UNKNOWN", utc_timestamp=9.0), task(status="SUBMITTED", utc_timestamp=1.0)
    assert in_any_order(*messages)["status"] == "SUBMITTED"


def test_documents_merge_key_by_key() -> None:
    record = in_any_order(
        task(used={"x": 1, "y": None}, generated={"a": 1}),
        task(used={"y": 2}, generated=None),
        task(custom_metadata={"m": {"deep": 1}}),
    )
    assert (record["used"], record["generated"]) == ({"x": 1, "y": 2}, {"a": 1})
    assert record["custom_metadata"] == {"m": {"deep": 1}}


def test_none_never_replaces_anything() -> None:
    record = in_any_order(
        task(utc_timestamp=1.0, used={"x": 1}, mine=5), task(utc_timestamp=2.0, used={"x": None}, mine=None)
    )
    assert (record["used"], record["mine"]) == ({"x": 1}, 5)


def test_the_later_value_of_a_key_goes_before_the_earlier_one() -> None:
    record = in_any_order(
        task(utc_timestamp=1.0, used={"x": 9}, hostname="z"), task(utc_timestamp=2.0, used={"x": 1}, hostname="a")
    )
    assert (record["used"], record["hostname"]) == ({"x": 1}, "a")


def test_a_time_that_comes_later_does_not_make_older_values_newer() -> None:
    record = in_any_order(
        task(utc_timestamp=1.0, hostname="first"),
        task(utc_timestamp=2.0, hostname="second"),
        task(utc_timestamp=3.0, used={"x": 1}),
    )
    assert record["hostname"] == "second"


def test_a_task_starts_at_the_earliest_and_ends_at_the_latest_time() -> None:
    record = in_any_order(task(started_at=2.0, ended_at=3.0), task(started_at=1.0, ended_at=5.0), task())
    assert (record["started_at"].timestamp(), record["ended_at"].timestamp()) == (1.0, 5.0)


def test_tags_are_united() -> None:
    assert in_any_order(task(tags=["b", "a"]), task(tags=["c"]))["tags"] == ["a", "b", "c"]
    assert in_any_order(task(tags=["b", "a"]), task(tags=["b", "a"]))["tags"] == ["b", "a"]


def test_the_interceptors_of_a_workflow_accumulate() -> None:
    workflow = {"type": "workflow", "workflow_id": "w"}
    record = in_any_order({**workflow, "interceptor_ids": ["b"]}, {**workflow, "interceptor_ids": ["a"]})
    assert record["interceptor_ids"] == ["a", "b"]
