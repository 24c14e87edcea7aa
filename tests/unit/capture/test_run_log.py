"""The copy of a run's messages, in memory and in the buffer file."""

from __future__ import annotations

from pathlib import Path

from flowcept.capture.run_log import RunLog
from flowcept.jsonlines import read_messages


def fill(log: RunLog, count: int, weight: int = 100) -> list[dict[str, object]]:
    messages: list[dict[str, object]] = [{"number": number} for number in range(count)]
    for message in messages:
        log.append(message, weight)
    return messages


def test_messages_are_kept_in_their_order() -> None:
    log = RunLog(1 << 20, None)

    messages = fill(log, 5)

    assert log.messages() == messages
    assert log.forgotten == 0


def test_without_a_file_older_messages_are_forgotten_beyond_the_bound() -> None:
    log = RunLog(500, None)
    messages = fill(log, 20)
    log.relieve()

    assert log.messages() == messages[15:]
    assert log.forgotten == 15


def test_with_a_file_nothing_is_forgotten(tmp_path: Path) -> None:
    log = RunLog(500, tmp_path / "buffer.jsonl")
    messages = fill(log, 20)
    log.relieve()

    assert log.messages() == messages
    assert not (tmp_path / "buffer.jsonl").exists()
    log.finish()
    assert list(read_messages(tmp_path / "buffer.jsonl")) == messages
    assert [path.name for path in tmp_path.iterdir()] == ["buffer.jsonl"]


def test_a_file_replaces_the_one_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "buffer.jsonl"
    path.parent.mkdir()
    path.write_text("before\n")
    log = RunLog(1 << 20, path)
    messages = fill(log, 2)
    log.finish()

    assert list(read_messages(path)) == messages


def test_a_run_without_messages_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "buffer.jsonl"
    path.write_text("before\n")

    RunLog(1 << 20, path).finish()

    assert path.read_text() == "before\n"
