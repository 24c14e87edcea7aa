"""The buffer between the user's code and the service: nothing is lost, nothing waits too long, memory is bounded."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flowcept.capture.buffer import MessageBuffer
from flowcept.capture.outlet import Outlet
from flowcept.capture.publisher import Message, Rejection
from flowcept.capture.run_log import RunLog
from flowcept.capture.spool import Spool
from flowcept.config import CaptureSettings
from flowcept.errors import InvalidArgumentError
from flowcept.jsonlines import read_messages
from tests.support.conditions import PATIENCE, eventually
from tests.support.publishing import RecordingPublisher

LONG = 3600.0


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "unsent", "w")


def make_buffer(
    spool: Spool, publisher: RecordingPublisher | None, run_log: RunLog | None = None, **given: Any
) -> MessageBuffer:
    settings = CaptureSettings(**{"flush_interval": LONG, "buffer_size": 10, **given})
    outlet = None if publisher is None else Outlet(publisher.open)
    log = RunLog(1 << 20, None) if run_log is None else run_log
    return MessageBuffer(settings=settings, spool=spool, run_log=log, outlet=outlet)


def append(buffer: MessageBuffer, count: int, first: int = 0, weight: int = 10_000) -> None:
    for number in range(first, first + count):
        buffer.append({"message_id": f"m{number}", "used": {"i": number}}, weight)


def numbers(messages: Sequence[Message]) -> list[Any]:
    return sorted(message["used"]["i"] for message in messages)  # type: ignore[index]  # a message of ours


def test_a_full_buffer_is_flushed_at_once(spool: Spool, publisher: RecordingPublisher) -> None:
    buffer = make_buffer(spool, publisher)

    append(buffer, 10)

    publisher.wait_for(lambda: len(publisher.messages) == 10)
    buffer.close(PATIENCE)


def test_a_buffer_that_is_not_full_is_flushed_after_the_interval(spool: Spool, publisher: RecordingPublisher) -> None:
    buffer = make_buffer(spool, publisher, flush_interval=0.02)

    append(buffer, 3)

    publisher.wait_for(lambda: len(publisher.messages) == 3)
    buffer.close(PATIENCE)


def test_the_end_flushes_what_is_left(spool: Spool, publisher: RecordingPublisher) -> None:
    buffer = make_buffer(spool, publisher)
    append(buffer, 3)

    unsent = buffer.close(PATIENCE)

    assert (unsent.files, unsent.lost) == ((), 0)
    assert numbers(publisher.messages) == [0, 1, 2]
    assert publisher.closed
    assert not spool.directory.exists()


def test_batches_are_bounded_by_number_and_bytes(spool: Spool, publisher: RecordingPublisher) -> None:
    buffer = make_buffer(spool, publisher)
    append(buffer, 25)
    buffer.close(PATIENCE)
    heavy = RecordingPublisher()
    buffer = make_buffer(spool, heavy)
    append(buffer, 4, weight=600_000)
    buffer.close(PATIENCE)

    assert max(publisher.batches) <= 10
    assert max(heavy.batches) == 2


def test_while_the_service_is_away_messages_wait_in_memory(spool: Spool, publisher: RecordingPublisher) -> None:
    publisher.is_away = True
    buffer = make_buffer(spool, publisher)
    append(buffer, 30)
    publisher.wait_for(lambda: publisher.attempts > 0)

    publisher.is_away = False

    publisher.wait_for(lambda: len(publisher.messages) == 30)
    assert not spool.directory.exists()
    buffer.close(PATIENCE)


def test_beyond_the_bound_of_memory_they_wait_on_disk_and_go_when_the_service_is_back(
    spool: Spool, publisher: RecordingPublisher
) -> None:
    publisher.is_away = True
    buffer = make_buffer(spool, publisher, max_memory=100_000)
    append(buffer, 100)
    eventually(lambda: bool(spool.files()))

    publisher.is_away = False

    publisher.wait_for(lambda: len(publisher.messages) == 100)
    buffer.close(PATIENCE)
    assert numbers(publisher.messages) == list(range(100))
    assert not spool.directory.exists()


def test_what_the_service_never_took_is_on_disk_in_the_end(spool: Spool, publisher: RecordingPublisher) -> None:
    publisher.is_away = True
    buffer = make_buffer(spool, publisher, max_memory=100_000)
    append(buffer, 50)

    unsent = buffer.close(0.1)

    assert numbers([message for file in unsent.files for message in read_messages(file)]) == list(range(50))


def test_the_end_does_not_wait_for_a_service_that_was_never_reached(
    spool: Spool, publisher: RecordingPublisher
) -> None:
    publisher.is_away = True
    buffer = make_buffer(spool, publisher)
    append(buffer, 5)

    unsent = buffer.close(LONG)

    assert numbers([message for file in unsent.files for message in read_messages(file)]) == list(range(5))
    assert (publisher.attempts, publisher.reconnections) == (2, 1)


def test_the_end_waits_for_a_service_that_may_come_back(spool: Spool, publisher: RecordingPublisher) -> None:
    buffer = make_buffer(spool, publisher)
    append(buffer, 10)
    publisher.wait_for(lambda: len(publisher.messages) == 10)
    publisher.is_away = True
    append(buffer, 5, first=10)
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(buffer.close, LONG)
        publisher.wait_for(lambda: publisher.attempts > 3)
        publisher.is_away = False

        assert ending.result(PATIENCE).files == ()

    assert numbers(publisher.messages) == list(range(15))


def test_at_the_end_a_service_that_was_away_is_tried_over_a_new_connection(
    spool: Spool, publisher: RecordingPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.is_away = True
    monkeypatch.setattr(publisher, "reconnect", partial(setattr, publisher, "is_away", False))
    buffer = make_buffer(spool, publisher)
    append(buffer, 5)

    assert buffer.close(LONG).files == ()
    assert numbers(publisher.messages) == list(range(5))


def test_a_disk_that_cannot_be_written_is_counted_as_loss(tmp_path: Path, publisher: RecordingPublisher) -> None:
    (tmp_path / "file").touch()
    publisher.is_away = True
    buffer = make_buffer(Spool(tmp_path / "file" / "unsent", "w"), publisher)
    append(buffer, 5)

    assert buffer.close(0.05).lost == 5


def test_a_refused_message_is_kept_in_a_file_of_its_own(
    spool: Spool, publisher: RecordingPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.behave = lambda messages: [Rejection(2, "bad")]
    buffer = make_buffer(spool, publisher)
    append(buffer, 10)

    unsent = buffer.close(PATIENCE)

    assert unsent.files == ()
    assert len(publisher.messages) == 9
    [file] = spool.directory.iterdir()
    assert file.name.endswith(".refused.jsonl")
    assert numbers(list(read_messages(file))) == [2]
    assert f"kept in {file}" in caplog.text


def test_a_message_that_spoils_its_batch_is_found(spool: Spool, publisher: RecordingPublisher) -> None:
    def refuse_batches_with_seven(messages: Sequence[Message]) -> Sequence[Rejection]:
        if any(message["message_id"] == "m7" for message in messages):
            raise InvalidArgumentError("spoilt")
        return []

    publisher.behave = refuse_batches_with_seven
    buffer = make_buffer(spool, publisher)
    append(buffer, 10)
    buffer.close(PATIENCE)

    assert numbers(publisher.messages) == [0, 1, 2, 3, 4, 5, 6, 8, 9]


def test_a_publisher_that_hangs_does_not_hold_up_the_end(spool: Spool, publisher: RecordingPublisher) -> None:
    released = threading.Event()

    def hang(messages: Sequence[Message]) -> Sequence[Rejection]:
        released.wait(PATIENCE)
        return []

    publisher.behave = hang
    buffer = make_buffer(spool, publisher, max_memory=100_000)
    append(buffer, 30)

    unsent = buffer.close(0.1)

    released.set()
    assert numbers([message for file in unsent.files for message in read_messages(file)]) == list(range(30))


def test_offline_nothing_is_published_and_the_log_has_all(spool: Spool) -> None:
    buffer = make_buffer(spool, None)
    append(buffer, 30)

    assert numbers(buffer.messages()) == list(range(30))
    assert buffer.close(PATIENCE).files == ()


def test_offline_the_memory_is_bounded_and_the_file_has_all(spool: Spool, tmp_path: Path) -> None:
    log = RunLog(100_000, tmp_path / "buffer.jsonl")
    buffer = make_buffer(spool, None, log)
    append(buffer, 100)

    assert len(log._messages) <= 20
    log.finish()
    assert numbers(list(read_messages(tmp_path / "buffer.jsonl"))) == list(range(100))


def test_offline_without_a_buffer_file_nothing_is_forgotten(spool: Spool) -> None:
    buffer = make_buffer(spool, None, RunLog(100_000, None))
    append(buffer, 100)

    assert numbers(buffer.messages()) == list(range(100))


def test_many_threads_lose_nothing(spool: Spool, publisher: RecordingPublisher) -> None:
    buffer = make_buffer(spool, publisher)
    threads = [threading.Thread(target=append, args=(buffer, 200, 1000 * index)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    buffer.close(PATIENCE)

    assert numbers(publisher.messages) == sorted(1000 * index + n for index in range(8) for n in range(200))


def test_after_the_end_nothing_is_taken(spool: Spool, publisher: RecordingPublisher) -> None:
    buffer = make_buffer(spool, publisher)
    buffer.close(PATIENCE)

    with pytest.raises(RuntimeError, match="ended"):
        append(buffer, 1)


def test_the_end_of_a_forked_worker_waits_for_what_its_thread_is_writing(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()
    write = spool.write

    def write_slowly(messages: Sequence[Message], **options: str) -> Path:
        writing.set()
        assert go_on.wait(PATIENCE)
        return write(messages, **options)

    monkeypatch.setattr(spool, "write", write_slowly)
    buffer = make_buffer(spool, None, flush_interval=0.01)
    buffer._begin_in_child()
    append(buffer, 3)
    assert writing.wait(PATIENCE)
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(buffer._hand_over)
        with pytest.raises(FutureTimeoutError):
            ending.result(0.1)
        go_on.set()
        ending.result(PATIENCE)

    assert numbers([message for file in spool.files() for message in read_messages(file)]) == [0, 1, 2]


def test_files_of_forked_processes_are_published_in_the_end(spool: Spool, publisher: RecordingPublisher) -> None:
    buffer = make_buffer(spool, publisher)
    spool.write([{"message_id": "child", "used": {"i": 7}}])

    buffer.close(PATIENCE)

    assert numbers(publisher.messages) == [7]
    assert not spool.directory.exists()


def test_a_damaged_file_stays_where_it_is(spool: Spool, publisher: RecordingPublisher) -> None:
    file = spool.write([{"message_id": "a", "used": {"i": 7}}])
    file.write_bytes(file.read_bytes() + b"{cut")
    buffer = make_buffer(spool, publisher)

    assert buffer.close(PATIENCE).files == (file,)
