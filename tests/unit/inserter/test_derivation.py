from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from flowcept_service.domain.records import Collection
from flowcept_service.provenance.inserter import InserterSettings, TagThresholds, host_defaults
from tests.unit.inserter.messages import merged, telemetry, visible

NEVER = TagThresholds(
    high_cpu=None, high_mem=None, high_disk=None, long_duration=None, low_output=None, high_output=None
)


def task(**given: Any) -> dict[str, Any]:
    return {"type": "task", "task_id": "t", "telemetry_at_start": {}, "telemetry_at_end": {}, **given}


def tags(message: dict[str, Any], thresholds: TagThresholds | None = None) -> list[str]:
    settings = InserterSettings(thresholds=thresholds) if thresholds else InserterSettings()
    found: list[str] = merged([message], settings).get("tags", [])
    return found


def snapshot(offset: int) -> dict[str, Any]:
    return {
        "cpu": {"percent_all": 10.0 + offset, "times_avg": {"user": 1.0, "system": 2.0 + offset, "idle": 3.0}},
        "memory": {"virtual": {"used": 100 + offset, "percent": 5.0}, "swap": {"used": 7}},
        "disk": {"io_sum": {"read_bytes": 1, "write_bytes": 2 + offset, "read_count": 3, "write_count": 4}},
        "network": {"netio_sum": {"bytes_sent": 5 + offset, "bytes_recv": 6, "packets_sent": 7, "packets_recv": 8}},
    }


def test_the_summary_has_the_difference_of_each_figure() -> None:
    record = merged([task(started_at=1.0, ended_at=3.5, telemetry_at_start=snapshot(0), telemetry_at_end=snapshot(4))])
    assert record["telemetry_summary"] == {
        "duration_sec": 2.5,
        "cpu": {"percent_all_diff": 4.0, "user_time_diff": 0.0, "system_time_diff": 4.0, "idle_time_diff": 0.0},
        "memory": {"used_mem_diff": 4, "percent_diff": 0.0, "swap_used_diff": 0},
        "disk": {"read_bytes_diff": 0, "write_bytes_diff": 4, "read_count_diff": 0, "write_count_diff": 0},
        "network": {"bytes_sent_diff": 4, "bytes_recv_diff": 0, "packets_sent_diff": 0, "packets_recv_diff": 0},
    }


def test_the_snapshots_may_come_in_two_messages_in_any_order() -> None:
    start = {"type": "task", "task_id": "t", "started_at": 1.0, "telemetry_at_start": snapshot(0)}
    end = {"type": "task", "task_id": "t", "ended_at": 2.0, "telemetry_at_end": snapshot(1)}
    assert merged([start, end])["telemetry_summary"] == merged([end, start])["telemetry_summary"]


def test_a_figure_that_a_snapshot_lacks_is_left_out() -> None:
    record = merged([task(telemetry_at_start={"cpu": {"percent_all": 1}}, telemetry_at_end={"cpu": None})])
    assert "telemetry_summary" not in record


def test_one_snapshot_makes_no_summary() -> None:
    record = merged([{"type": "task", "task_id": "t", "telemetry_at_start": snapshot(0), "ended_at": 2.0}])
    assert "telemetry_summary" not in record


def test_the_summary_can_be_switched_off() -> None:
    message = task(started_at=1.0, ended_at=9.0, telemetry_at_start=snapshot(0), telemetry_at_end=snapshot(1))
    assert "telemetry_summary" not in merged([message], InserterSettings(summarize_telemetry=False))


@pytest.mark.parametrize(
    ("message", "tag"),
    [
        (task(telemetry_at_start=telemetry(percent=5.0), telemetry_at_end=telemetry(percent=95.0)), "high_cpu"),
        (task(telemetry_at_start=telemetry(percent=95.0), telemetry_at_end=telemetry(percent=5.0)), "high_cpu"),
        (task(telemetry_at_start=telemetry(used=0), telemetry_at_end=telemetry(used=2 * 10**9)), "high_mem"),
        (
            task(
                telemetry_at_start={"disk": {"io_sum": {"read_bytes": 0, "write_bytes": 0}}},
                telemetry_at_end={"disk": {"io_sum": {"read_bytes": 6 * 10**7, "write_bytes": 6 * 10**7}}},
            ),
            "high_disk",
        ),
        (task(started_at=1.0, ended_at=2.0), "long_duration"),
        (task(generated={"result": 0.05}), "low_output"),
        (task(generated={"result": 0.95}), "high_output"),
    ],
)
def test_a_critical_task_is_tagged_and_no_other(message: dict[str, Any], tag: str) -> None:
    assert tags(message) == [tag]
    assert tags(message, NEVER) == []


@pytest.mark.parametrize("generated", [None, {}, {"result": "0.01"}, {"result": True}, {"result": float("nan")}])
def test_an_output_that_is_no_number_is_not_judged(generated: object) -> None:
    assert tags(task(generated=generated)) == []


def test_the_outputs_that_are_judged_can_be_chosen() -> None:
    thresholds = replace(TagThresholds(), outputs=("loss", "accuracy"))
    assert tags(task(generated={"loss": 0.01, "accuracy": 0.99, "result": 0.5}), thresholds) == [
        "low_output",
        "high_output",
    ]


def test_a_user_s_tags_are_kept_before_those_that_are_derived() -> None:
    assert tags(task(tags=["mine", "long_duration"], started_at=1.0, ended_at=9.0, generated={"result": 1.0})) == [
        "mine",
        "long_duration",
        "high_output",
    ]


def test_a_derived_tag_goes_when_the_record_no_longer_earns_it() -> None:
    early = task(generated={"result": 0.95}, utc_timestamp=1.0)
    late = task(generated={"result": 0.5}, utc_timestamp=2.0)
    assert "tags" not in visible(merged([early, late]))


def test_defaults_fill_what_no_message_says_and_give_way_to_what_one_does() -> None:
    settings = InserterSettings(defaults=MappingProxyType({Collection.TASKS: {"hostname": "service", "user": "u"}}))
    silent = {"type": "task", "task_id": "t"}
    speaking = {**silent, "hostname": "client"}
    assert merged([silent], settings)["hostname"] == "service"
    assert merged([silent, speaking], settings)["hostname"] == "client"
    assert merged([speaking, silent], settings)["hostname"] == "client"
    assert merged([silent, speaking], settings)["user"] == "u"


def test_the_facts_of_the_host_are_known() -> None:
    defaults = host_defaults()
    assert defaults[Collection.TASKS]["hostname"]
    assert defaults[Collection.WORKFLOWS]["sys_name"]
