"""The copy of a run's messages, in memory and in the buffer file."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowcept.capture import run_log
from flowcept.capture.run_log import RunLog
from flowcept.jsonlines import encode_line, read_messages
from tests.support.disks import small_file_system


def fill(log: RunLog, count: int, weight: int = 100, **fields: object) -> list[dict[str, object]]:
    messages: list[dict[str, object]] = [{"number": number, **fields} for number in range(count)]
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


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A directory whose disk has room for two pages, until its file `filler` is deleted."""
    with small_file_system(tmp_path / "disk", mib=1) as disk:
        (disk / "filler").write_bytes(b"x" * ((1 << 20) - 2 * 4096))
        yield disk


def test_what_a_full_disk_does_not_take_is_written_whole_when_it_has_room(full_disk: Path) -> None:
    log = RunLog(500, full_disk / "buffer.jsonl")
    messages = fill(log, 20, pad="x" * 1000)
    with pytest.raises(OSError, match="No space"):
        log.relieve()
    assert log.messages() == messages

    (full_disk / "filler").unlink()
    log.relieve()
    log.finish()

    assert list(read_messages(full_disk / "buffer.jsonl")) == messages


def test_a_disk_that_stays_full_does_not_take_the_memory(full_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = RunLog(500, full_disk / "buffer.jsonl")
    messages = fill(log, 100, pad="x" * 1000)
    with pytest.raises(OSError, match="No space"):
        log.relieve()

    assert log.messages() == messages[-20:]
    (full_disk / "filler").unlink()
    with caplog.at_level(logging.WARNING):
        log.finish()
    assert "80 messages are not in" in caplog.text


def test_a_full_disk_is_not_tried_again_for_every_message(full_disk: Path) -> None:
    log = RunLog(1000, full_disk / "buffer.jsonl")
    fill(log, 30, pad="x" * 1000)
    with pytest.raises(OSError, match="No space"):
        log.relieve()

    fill(log, 2)
    assert not log.is_crowded
    log.relieve()

    fill(log, 1)
    assert log.is_crowded
    with pytest.raises(OSError, match="No space"):
        log.relieve()


def test_a_full_disk_costs_the_work_of_one_write(full_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[object] = []

    def count(message: dict[str, object]) -> bytes:
        encoded.append(message)
        return encode_line(message)

    monkeypatch.setattr(run_log, "encode_line", count)
    log = RunLog(1 << 20, full_disk / "buffer.jsonl")
    fill(log, 40, weight=1 << 18, pad="x" * 4000)
    with pytest.raises(OSError, match="No space"):
        log.relieve()

    assert len(encoded) == 4


def test_an_interrupted_write_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(message: dict[str, object]) -> bytes:
        if message["number"] == 3:
            monkeypatch.undo()
            raise KeyboardInterrupt
        return encode_line(message)

    monkeypatch.setattr(run_log, "encode_line", interrupt)
    log = RunLog(500, tmp_path / "buffer.jsonl")
    messages = fill(log, 20)
    with pytest.raises(KeyboardInterrupt):
        log.relieve()
    log.finish()

    assert list(read_messages(tmp_path / "buffer.jsonl")) == messages


def test_messages_are_there_when_the_file_could_not_be_made(tmp_path: Path) -> None:
    log = RunLog(500, tmp_path / ("x" * 240 + ".jsonl"))  # with what is added to it, no file can have this name
    messages = fill(log, 20)
    with pytest.raises(OSError, match="name too long"):
        log.relieve()

    assert log.messages() == messages


class Interrupted(int):
    """The weight of a message while which is added a signal comes."""

    def __radd__(self, other: int) -> int:
        signal.raise_signal(signal.SIGUSR1)
        return other + int(self)


@contextmanager
def on_signal(action: Callable[[], object]) -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, lambda *_: action())
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_handler_may_add_a_message_while_one_is_added() -> None:
    log = RunLog(1 << 20, None)
    with on_signal(lambda: log.append({"number": 2}, 100)):
        log.append({"number": 1}, Interrupted(100))

    assert log.messages() == [{"number": 1}, {"number": 2}]


def test_a_signal_handler_may_make_room_while_messages_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RunLog(500, tmp_path / "buffer.jsonl")
    messages = fill(log, 20)

    def interrupted(message: dict[str, object]) -> bytes:
        signal.raise_signal(signal.SIGUSR1)
        return encode_line(message)

    monkeypatch.setattr(run_log, "encode_line", interrupted)
    with on_signal(log.relieve):
        log.relieve()
        log.finish()

    assert list(read_messages(tmp_path / "buffer.jsonl")) == messages


def test_what_cannot_be_written_in_the_end_is_still_there(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("no directory")
    log = RunLog(1 << 20, tmp_path / "taken" / "buffer.jsonl")
    messages = fill(log, 5)

    with pytest.raises(FileExistsError):
        log.finish()
    assert log.messages() == messages


def test_what_is_discarded_leaves_no_file(tmp_path: Path) -> None:
    log = RunLog(500, tmp_path / "buffer.jsonl")
    fill(log, 20)
    log.relieve()
    log.discard()

    assert log.messages() == []
    assert not list(tmp_path.iterdir())
