"""Queries, figures and files, through the real client and service."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flowcept.db import DBAPI
from flowcept.errors import InvalidArgumentError, Reason, UnsupportedError
from tests.client.conftest import Connect

START = 1_700_000_000.0


@pytest.fixture
def tasks(db: DBAPI, workflow_id: str) -> list[dict[str, Any]]:
    """Ten tasks of one workflow: five of each of two activities, each a second longer than the one before."""
    messages: list[dict[str, Any]] = [
        {
            "type": "task",
            "task_id": f"{workflow_id}-{number}",
            "workflow_id": workflow_id,
            "activity_id": "train" if number % 2 else "prepare",
            "used": {"i": number, "name": f"n{number}"},
            "started_at": START + number,
            "ended_at": START + number + number,
            "status": "ERROR" if number == 9 else "FINISHED",
        }
        for number in range(10)
    ]
    assert db.publish(messages).stored == 10
    return messages


def test_a_list_of_names_projects(db: DBAPI, workflow_id: str, tasks: object) -> None:
    found = db.task_query(
        {"workflow_id": workflow_id}, projection=["used.i", "activity_id"], limit=1, sort=[("used.i", -1)]
    )

    assert found == [{"used": {"i": 9}, "activity_id": "train"}]


def test_filter_sort_skip_and_limit(db: DBAPI, workflow_id: str, tasks: object) -> None:
    found = db.query(
        {"workflow_id": workflow_id, "used.i": {"$in": [1, 3, 5, 7]}},
        projection=["used.i"],
        sort=[("used.i", db.DESCENDING)],
        skip=1,
        limit=2,
    )

    assert [task["used"]["i"] for task in found] == [5, 3]


def test_aggregations_are_grouped_by_the_projection(db: DBAPI, workflow_id: str, tasks: object) -> None:
    found = db.task_query(
        {"workflow_id": workflow_id},
        projection=["activity_id"],
        aggregation=[("avg", "used.i"), ("max", "ended_at"), ("count", "*")],
        sort=[("activity_id", 1)],
    )

    assert [(row["activity_id"], row["avg_used_i"], row["count"]) for row in found] == [
        ("prepare", 4.0, 5),
        ("train", 5.0, 5),
    ]
    assert found[1]["max_ended_at"] == datetime.fromtimestamp(START + 18, UTC)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"collection": "unknown"}, "collection"),
        ({"collection": ["tasks"]}, "collection"),
        ({"sort": 5}, "sort"),
        ({"sort": {"a": 1}}, "sort"),
        ({"sort": [("\udcff", 1)]}, "sort"),
        ({"aggregation": [("sum", "\udcff")]}, "aggregation"),
        ({"projection": 5}, "projection"),
        ({"projection": [5]}, "projection"),
        ({"aggregation": "count"}, "aggregation"),
        ({"aggregation": [("count", "*")], "projection": [5]}, "projection"),
        ({"limit": -1}, "limit"),
        ({"sort": [("a", 2)]}, "sort"),
        ({"sort": [(1, 1)]}, "sort"),
        ({"projection": "name"}, "projection"),
        ({"aggregation": [("median", "a")]}, "aggregation"),
        ({"filter": ["a"]}, "filter"),
    ],
)
def test_a_wrong_argument_is_named(db: DBAPI, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        db.query(**arguments)

    assert caught.value.metadata["field"] == field


def test_operators_that_run_code_are_refused_by_name(db: DBAPI) -> None:
    with pytest.raises(InvalidArgumentError, match="where") as caught:
        db.query({"$where": "1"})

    assert caught.value.reason is Reason.UNSUPPORTED_OPERATOR


def test_results_stream_and_can_be_given_up(db: DBAPI, workflow_id: str, tasks: object) -> None:
    results = db.iter_query(filter={"workflow_id": workflow_id})

    assert next(results)["workflow_id"] == workflow_id
    results.close()  # type: ignore[attr-defined]  # a generator

    assert db.liveness_test()


def test_a_data_frame_has_a_column_for_each_field(db: DBAPI, workflow_id: str, tasks: object) -> None:
    frame = db.to_df(filter={"workflow_id": workflow_id})

    assert len(frame) == 10
    assert set(frame["activity_id"]) == {"train", "prepare"}
    assert isinstance(frame["used"][0], dict)


def test_summary_of_tasks(db: DBAPI, workflow_id: str, tasks: object) -> None:
    summary = db.task_summary({"workflow_id": workflow_id})

    assert summary["count"] == 10
    assert summary["status_counts"] == {"ERROR": 1, "FINISHED": 9}
    assert summary["time_range"] == {"min_started_at": START, "max_ended_at": START + 18}
    assert summary["activity_stats"][1] == {
        "activity_id": "train",
        "count": 5,
        "status_counts": {"ERROR": 1, "FINISHED": 4},
        "avg_duration": 5.0,
        "min_duration": 1.0,
        "max_duration": 9.0,
        "sum_duration": 25.0,
    }


def test_summary_without_times_has_no_durations(db: DBAPI, workflow_id: str) -> None:
    db.publish([{"type": "task", "workflow_id": workflow_id, "activity_id": "a"}])

    [stats] = db.task_summary({"workflow_id": workflow_id})["activity_stats"]

    assert stats["status_counts"] == {"UNKNOWN": 1}
    assert [stats[name] for name in ("avg_duration", "min_duration", "sum_duration")] == [None, None, None]


def test_campaigns_are_derived_from_their_records(db: DBAPI, new_id: Callable[[str], str]) -> None:
    campaign_id = new_id("campaign")
    workflows = [
        {"type": "workflow", "name": name, "user": user, "campaign_id": campaign_id, "utc_timestamp": START + number}
        for number, (name, user) in enumerate([("b", "ann"), ("a", "bob"), ("a", "ann")])
    ]
    task = {"type": "task", "campaign_id": campaign_id, "started_at": START - 5, "ended_at": START + 50}
    db.publish([*workflows, task])

    assert db.derive_campaigns(campaign_id) == [
        {
            "campaign_id": campaign_id,
            "workflow_count": 3,
            "task_count": 1,
            "users": ["ann", "bob"],
            "workflow_names": ["a", "b"],
            "first_ts": START - 5,
            "last_ts": START + 50,
        }
    ]


def test_the_campaign_that_was_active_last_comes_first(db: DBAPI, new_id: Callable[[str], str]) -> None:
    early, late = new_id("campaign"), new_id("campaign")
    db.publish(
        {"type": "workflow", "campaign_id": name, "utc_timestamp": START + offset}
        for name, offset in ((early, 0), (late, 10))
    )

    names = [row["campaign_id"] for row in db.derive_campaigns() if row["campaign_id"] in (early, late)]

    assert names == [late, early]


def test_time_series_are_sorted_and_end_with_what_has_no_time(db: DBAPI, workflow_id: str, tasks: object) -> None:
    db.publish([{"type": "task", "task_id": f"{workflow_id}-x", "workflow_id": workflow_id, "used": {"i": 77}}])

    rows = db.telemetry_timeseries({"workflow_id": workflow_id}, ["used.i", "telemetry_at_end.cpu"], limit=11)

    assert [row["used.i"] for row in rows] == [*range(10), 77]
    assert rows[0] == {
        "started_at": datetime.fromtimestamp(START, UTC),
        "task_id": f"{workflow_id}-0",
        "activity_id": "prepare",
        "used.i": 0,
        "telemetry_at_end.cpu": None,
    }
    assert len(db.telemetry_timeseries({"workflow_id": workflow_id}, ["used.i", "used"], limit=3)) == 3


@pytest.fixture
def tree(db: DBAPI, workflow_id: str) -> str:
    """A task, two children in another workflow, a grandchild, and a task below that."""
    rows = [
        ("root", None, workflow_id),
        ("child-1", "root", "elsewhere"),
        ("child-2", "root", "elsewhere"),
        ("grandchild", "child-1", "elsewhere"),
        ("last", "grandchild", "elsewhere"),
    ]
    db.publish(
        {
            "type": "task",
            "task_id": f"{workflow_id}-{name}",
            "activity_id": name,
            "workflow_id": workflow,
            "parent_task_id": parent and f"{workflow_id}-{parent}",
        }
        for name, parent, workflow in rows
    )
    return workflow_id


def test_tasks_come_with_those_that_they_started(db: DBAPI, tree: str) -> None:
    found = db.get_tasks_recursive(tree)

    assert [(task["activity_id"], task["depth"]) for task in found if task["depth"] != 1] == [
        ("root", 0),
        ("grandchild", 2),
        ("last", 3),
    ]
    assert {task["activity_id"] for task in found if task["depth"] == 1} == {"child-1", "child-2"}
    assert found[-1]["ancestor_ids"] == [
        {"root": f"{tree}-root"},
        {"child-1": f"{tree}-child-1"},
        {"grandchild": f"{tree}-grandchild"},
    ]


def test_depth_is_bounded_and_circles_end(db: DBAPI, tree: str) -> None:
    db.publish([{"type": "task", "task_id": f"{tree}-child-1", "parent_task_id": f"{tree}-last"}])

    assert {task["depth"] for task in db.get_tasks_recursive(tree, max_depth=1)} == {0, 1}
    assert len(db.get_tasks_recursive(tree)) == len({task["task_id"] for task in db.get_tasks_recursive(tree)})


def test_code_templates_are_refused(db: DBAPI) -> None:
    with pytest.raises(UnsupportedError, match="mapping"):
        db.get_tasks_recursive("w", mapping={"a": "b"})  # type: ignore[arg-type]  # what is tested


def test_trees_are_dumped_to_parquet(db: DBAPI, tree: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")

    db.dump_tasks_to_file_recursive(tree, tmp_path / "tasks.parquet")

    rows = parquet.read_table(tmp_path / "tasks.parquet").to_pylist()
    assert [row["depth"] for row in rows] == [0, 1, 1, 2, 3]
    assert json.loads(rows[-1]["ancestor_ids"])[0] == {"root": f"{tree}-root"}


def test_json_is_an_array_in_extended_json(db: DBAPI, workflow_id: str, tasks: object, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"

    assert db.dump_to_file(filter={"workflow_id": workflow_id}, output_file=path) is True

    found = json.loads(path.read_text())
    assert len(found) == 10
    assert found[0]["started_at"] == {"$date": "2023-11-14T22:13:20Z"}


def test_json_of_nothing_is_an_empty_array(db: DBAPI, workflow_id: str, tmp_path: Path) -> None:
    db.dump_to_file(filter={"workflow_id": workflow_id}, output_file=tmp_path / "dump.json")

    assert json.loads((tmp_path / "dump.json").read_text()) == []


def test_json_lines_have_a_document_each(db: DBAPI, workflow_id: str, tasks: object, tmp_path: Path) -> None:
    path = tmp_path / "dump.jsonl"

    db.dump_to_file(filter={"workflow_id": workflow_id}, output_file=path, export_format="jsonl")

    assert [json.loads(line)["workflow_id"] for line in path.read_text().splitlines()] == [workflow_id] * 10


def test_csv_has_a_column_for_each_field(db: DBAPI, workflow_id: str, tasks: object, tmp_path: Path) -> None:
    path = tmp_path / "dump.csv"
    db.publish([{"type": "task", "workflow_id": workflow_id, "stdout": 'a "quoted",\nline'}])

    db.dump_to_file(filter={"workflow_id": workflow_id}, output_file=path, export_format="csv")

    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert len(rows) == 11
    assert {row["stdout"] for row in rows} == {"", 'a "quoted",\nline'}
    assert {"i": 3, "name": "n3"} in [json.loads(row["used"]) for row in rows if row["used"]]
    assert "2023-11-14T22:13:20+00:00" in {row["started_at"] for row in rows}


def test_parquet_has_typed_columns(db: DBAPI, workflow_id: str, tasks: object, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "dump.parquet"

    db.dump_to_file(filter={"workflow_id": workflow_id}, output_file=path, export_format="parquet")

    table = parquet.read_table(path)
    assert table.num_rows == 10
    assert str(table.schema.field("started_at").type) == "timestamp[ms, tz=UTC]"
    assert str(table.schema.field("used").type) == "string"


def test_an_archive_holds_the_file(db: DBAPI, workflow_id: str, tasks: object, tmp_path: Path) -> None:
    path = tmp_path / "dump.zip"

    db.dump_to_file(filter={"workflow_id": workflow_id}, output_file=path, should_zip=True)

    with zipfile.ZipFile(path) as archive:
        assert len(json.loads(archive.read("dump_file.json"))) == 10


def test_a_file_without_a_name_is_named_after_collection_and_time(
    connect: Connect, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    db = connect(service)
    db._clock = lambda: START

    db.dump_to_file("agents", filter={"agent_id": "none"})

    assert [path.name for path in tmp_path.iterdir()] == ["docs_dump_agents_2023-11-14T22:13:20.000000+0000.json"]


def test_an_unknown_format_is_refused(db: DBAPI) -> None:
    with pytest.raises(InvalidArgumentError, match="jsonl"):
        db.dump_to_file(export_format="xml")


def test_a_dump_that_fails_leaves_what_was_there(db: DBAPI, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text("before")

    with pytest.raises(InvalidArgumentError):
        db.dump_to_file(filter={"$where": "1"}, output_file=path)

    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
