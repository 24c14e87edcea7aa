"""The run of a workflow: what is published about it, its buffer, and its files."""

from __future__ import annotations

import asyncio
import errno
import logging
import uuid
from pathlib import Path
from typing import Any

import pytest

from flowcept.capture.controller import Flowcept
from flowcept.capture.run_log import RunLog
from flowcept.capture.task import FlowceptTask
from flowcept.config import ClientSettings
from flowcept.errors import InvalidArgumentError, PreconditionError, UnsupportedError
from flowcept.jsonlines import read_messages
from tests.support.publishing import RecordingPublisher
from tests.unit.capture.conftest import make_settings


def test_start_and_end_of_a_workflow_are_published(publisher: RecordingPublisher, settings: ClientSettings) -> None:
    with Flowcept(
        workflow_id="w",
        workflow_name="training",
        workflow_args={"epochs": 3},
        workflow_subtype="ml_workflow",
        settings=settings,
        publisher=publisher.open,
    ) as run:
        assert run.is_started

    start, end = publisher.messages
    assert (start["type"], start["name"], start["used"]) == ("workflow", "training", {"epochs": 3})
    assert (start["status"], start["subtype"], start["campaign_id"]) == ("RUNNING", "ml_workflow", run.campaign_id)
    assert (end["workflow_id"], end["status"]) == ("w", "FINISHED")
    assert start["started_at"] <= end["ended_at"]
    assert publisher.closed


def test_an_exception_is_the_error_of_the_workflow_and_goes_on(
    publisher: RecordingPublisher, settings: ClientSettings
) -> None:
    with pytest.raises(ValueError, match="wrong"), Flowcept(settings=settings, publisher=publisher.open):
        raise ValueError("wrong")

    assert (publisher.messages[-1]["status"], publisher.messages[-1]["stderr"]) == ("ERROR", "ValueError: wrong")


def test_the_current_workflow_is_that_of_the_running_code(
    publisher: RecordingPublisher, settings: ClientSettings
) -> None:
    with Flowcept(workflow_id="outer", settings=settings, publisher=publisher.open):
        assert Flowcept.current_workflow_id == "outer"
        with Flowcept(workflow_id="inner", settings=settings, publisher=publisher.open) as inner:
            assert Flowcept.current_workflow_id == "inner"
            assert inner.parent_workflow_id == "outer"
        assert Flowcept.current_workflow_id == "outer"
        assert Flowcept.is_started
    assert not Flowcept.is_started
    assert Flowcept.current_workflow_id == "outer"


def test_concurrent_workflows_of_asyncio_tasks_do_not_mix(
    publisher: RecordingPublisher, settings: ClientSettings
) -> None:
    async def work(name: str) -> None:
        with Flowcept(workflow_id=name, save_workflow=False, settings=settings, publisher=publisher.open):
            await asyncio.sleep(0)
            FlowceptTask(activity_id=name).send()
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(work(f"w{number}") for number in range(5)))

    asyncio.run(main())

    assert len(publisher.messages) == 5
    assert all(message["workflow_id"] == message["activity_id"] for message in publisher.messages)


def test_the_buffer_shows_the_messages_so_far(run: Flowcept) -> None:
    FlowceptTask(activity_id="a").send()

    assert isinstance(run.buffer, list)
    assert [message["type"] for message in run.buffer] == ["workflow", "task"]
    assert Flowcept.buffer == run.buffer
    run.stop()
    assert run.buffer is None


def test_the_buffer_as_a_data_frame(run: Flowcept) -> None:
    pytest.importorskip("pandas")
    FlowceptTask(activity_id="a", used={"lr": 0.1}).send()

    frame: Any = run.get_buffer(return_df=True)

    assert frame["used.lr"].tolist()[-1] == 0.1


def test_the_buffer_file_is_written_in_the_end_and_on_request(run: Flowcept, tmp_path: Path) -> None:
    FlowceptTask(activity_id="a").send()
    run.dump_buffer(tmp_path / "now.jsonl")
    run.dump_buffer(tmp_path / "now.jsonl")

    assert len(Flowcept.read_buffer_file(tmp_path / "now.jsonl")) == 2
    run.stop()
    assert len(Flowcept.read_buffer_file(tmp_path / "buffer.jsonl")) == 3
    with pytest.raises(PreconditionError):
        run.dump_buffer()


def test_offline_the_file_has_everything_and_nothing_is_published(
    publisher: RecordingPublisher, tmp_path: Path
) -> None:
    settings = make_settings(tmp_path, capture={"db_flush_mode": "offline"})
    with Flowcept(settings=settings, publisher=publisher.open):
        FlowceptTask(activity_id="a").send()

    assert publisher.messages == []
    assert len(Flowcept.read_buffer_file(tmp_path / "buffer.jsonl")) == 3


def test_offline_the_messages_are_kept_elsewhere_when_the_buffer_file_cannot_be_written(
    publisher: RecordingPublisher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("no directory")
    settings = make_settings(
        tmp_path, capture={"db_flush_mode": "offline"}, buffer_file={"path": tmp_path / "taken" / "buffer.jsonl"}
    )
    with Flowcept(settings=settings, publisher=publisher.open):
        FlowceptTask(activity_id="a").send()

    (file,) = settings.capture.spill_directory.iterdir()
    assert len(Flowcept.read_buffer_file(file)) == 3
    assert f"flowcept replay {file}" in caplog.text


def test_offline_a_program_ends_well_when_what_was_written_cannot_be_removed(
    publisher: RecordingPublisher, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(log: RunLog) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(RunLog, "discard", read_only)
    (tmp_path / "taken").write_text("no directory")
    settings = make_settings(
        tmp_path, capture={"db_flush_mode": "offline"}, buffer_file={"path": tmp_path / "taken" / "buffer.jsonl"}
    )
    with Flowcept(settings=settings, publisher=publisher.open):
        pass

    (file,) = settings.capture.spill_directory.iterdir()
    assert f"flowcept replay {file}" in caplog.text
    assert "cannot be removed, and is of no use: [Errno 30] Read-only file system" in caplog.text


def test_offline_a_program_ends_well_when_its_messages_can_be_kept_nowhere(
    publisher: RecordingPublisher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("no directory")
    settings = make_settings(
        tmp_path,
        capture={"db_flush_mode": "offline", "spill_directory": tmp_path / "taken" / "unsent"},
        buffer_file={"path": tmp_path / "taken" / "buffer.jsonl"},
    )
    with Flowcept(workflow_id="w", settings=settings, publisher=publisher.open):
        pass

    assert f"The messages of workflow w are lost, they cannot be kept in {tmp_path}/taken/unsent either" in caplog.text


def test_files_of_a_workflow_are_named_after_it_when_configured(publisher: RecordingPublisher, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, buffer_file={"append_workflow_id_to_path": True})
    with Flowcept(workflow_id="w7", settings=settings, publisher=publisher.open):
        pass

    assert (tmp_path / "buffer_w7.jsonl").exists()


def test_a_buffer_file_is_deleted_first_when_asked_for(publisher: RecordingPublisher, settings: ClientSettings) -> None:
    settings.buffer_file.path.write_text("{}\n")

    Flowcept(settings=settings, publisher=publisher.open, delete_buffer_file=True)

    assert not settings.buffer_file.path.exists()


def test_a_service_that_is_away_is_said_with_the_files_to_replay(
    publisher: RecordingPublisher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.is_away = True
    settings = make_settings(tmp_path, capture={"shutdown_timeout": 0.05})

    with caplog.at_level(logging.WARNING), Flowcept(settings=settings, publisher=publisher.open):
        FlowceptTask(activity_id="a").send()

    assert "flowcept replay" in caplog.text
    assert list((tmp_path / "unsent").glob("*.jsonl"))


def test_disabled_instrumentation_does_nothing(publisher: RecordingPublisher, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, capture={"enabled": False})
    with Flowcept(settings=settings, publisher=publisher.open) as run:
        FlowceptTask(activity_id="a").send()

    assert not run.enabled
    assert publisher.messages == []
    assert list(tmp_path.iterdir()) == []


def test_an_agent_is_registered_with_the_run(publisher: RecordingPublisher, settings: ClientSettings) -> None:
    with Flowcept(workflow_id="w", agent_name="planner", settings=settings, publisher=publisher.open) as run:
        second = run.save_agent(name="critic")

    agents = [message for message in publisher.messages if message["type"] == "agent"]
    assert [(agent["name"], agent["workflow_id"]) for agent in agents] == [("planner", "w"), ("critic", "w")]
    assert [agent["agent_id"] for agent in agents] == [run.agent_id, second]
    with pytest.raises(PreconditionError):
        run.save_agent()


def test_starting_and_stopping_twice_is_once(publisher: RecordingPublisher, settings: ClientSettings) -> None:
    run = Flowcept(settings=settings, publisher=publisher.open)
    run.start().start()
    run.stop()
    run.stop()

    assert len(publisher.messages) == 2


def test_a_run_describes_user_host_and_code(publisher: RecordingPublisher, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, capture={"enrich_messages": True})
    with Flowcept(workflow_id="w", settings=settings, publisher=publisher.open):
        FlowceptTask(activity_id="a").send()

    task = next(message for message in publisher.messages if message["type"] == "task")
    assert task["hostname"]
    described: dict[str, Any] = {}
    for message in publisher.messages:
        if message["type"] == "workflow":
            described |= message
    assert described["sys_name"]
    assert len(described["code_repository"]["sha"]) == 40


@pytest.mark.parametrize("field", ["workflow_id", "campaign_id"])
@pytest.mark.parametrize("value", [uuid.UUID(int=1), 5, "\udcff"])
def test_an_identifier_that_is_no_text_is_refused(settings: ClientSettings, field: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=field):
        Flowcept(settings=settings, **{field: value})


def test_a_workflow_may_have_any_text_as_its_identifier(publisher: RecordingPublisher, tmp_path: Path) -> None:
    settings = make_settings(tmp_path, buffer_file={"append_workflow_id_to_path": True})
    with Flowcept(workflow_id="a/b", settings=settings, publisher=publisher.open):
        pass

    assert Flowcept.read_buffer_file(settings.buffer_file.path, consolidate=True, workflow_id="a/b") == list(
        read_messages(tmp_path / "buffer_a%2Fb.jsonl")
    )


def test_another_interceptor_is_not_offered() -> None:
    assert Flowcept("instrumentation").enabled
    with pytest.raises(UnsupportedError, match="dask"):
        Flowcept(["dask"])


def test_a_wrong_setting_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="buffer_size"):
        Flowcept(settings=make_settings(tmp_path, capture={"buffer_size": 0}))
