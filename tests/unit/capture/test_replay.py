"""Replaying files of messages: everything arrives, once, and a bad line is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flowcept.capture.publisher import Message, Rejection
from flowcept.capture.replay import Refused, replay
from flowcept.errors import UnavailableError
from flowcept.jsonlines import write_messages
from tests.support.publishing import RecordingPublisher


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "unsent.jsonl"


def messages(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"type": "task", "message_id": f"m{number}", "used": {"i": number}} | fields for number in range(count)]


def test_all_messages_arrive_in_batches_as_they_were(path: Path, publisher: RecordingPublisher) -> None:
    write_messages(path, messages(1000))
    done: list[tuple[int, int]] = []

    result = replay(path, publisher, progress=lambda end, size: done.append((end, size)))

    assert publisher.messages == messages(1000)
    assert (result.messages, result.refused) == (1000, ())
    size = path.stat().st_size
    assert len(done) == 5
    assert done[-1] == (size, size)
    assert done == sorted(done)


def test_large_messages_make_small_batches(path: Path, publisher: RecordingPublisher) -> None:
    write_messages(path, messages(10, stdout="x" * 400_000))

    replay(path, publisher)

    assert max(publisher.batches) == 2


def test_a_second_replay_stores_nothing_again(path: Path, publisher: RecordingPublisher) -> None:
    write_messages(path, [*messages(3), {"activity_id": "no id"}, {"activity_id": "no id"}, {"activity_id": "other"}])

    replay(path, publisher)
    replay(path, publisher)

    assert len(publisher.messages) == 6


def test_a_replay_that_broke_off_is_completed_by_the_next(path: Path, publisher: RecordingPublisher) -> None:
    write_messages(path, messages(500))

    def away_after_first(batch: Sequence[Message]) -> Sequence[Rejection]:
        if len(publisher.messages) >= 200:
            raise UnavailableError("gone")
        return []

    publisher.behave = away_after_first
    with pytest.raises(UnavailableError):
        replay(path, publisher)
    publisher.behave = lambda batch: []

    replay(path, publisher)

    assert publisher.messages == messages(500)


def test_lines_that_are_refused_or_damaged_are_named_and_hold_up_no_other(
    path: Path, publisher: RecordingPublisher
) -> None:
    write_messages(path, messages(4))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"\n", b"{cut off\n", *lines[1:]]))
    publisher.behave = lambda batch: [Rejection(2, "bad")]

    result = replay(path, publisher)

    assert [message["used"]["i"] for message in publisher.messages] == [0, 1, 3]
    assert result.messages == 4
    assert [refused.line for refused in result.refused] == [3, 5]
    assert result.refused[1] == Refused(5, "bad")


def test_a_missing_file_is_an_error(path: Path, publisher: RecordingPublisher) -> None:
    with pytest.raises(FileNotFoundError):
        replay(path, publisher)
