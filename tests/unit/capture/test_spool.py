"""Files of unpublished messages, which threads and processes write and remove at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowcept.capture import spool as module
from flowcept.capture.spool import Spool
from flowcept.jsonlines import read_messages, write_messages


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "unsent", "w")


def emptied(path: Path, times: int) -> Callable[..., None]:
    """Writes files, before each of which another process removes the directory, so many times."""
    left = [times]

    def write_late(*arguments: object, **options: bool) -> None:
        if left[0]:
            left[0] -= 1
            path.rmdir()
        write_messages(*arguments, **options)  # type: ignore[arg-type]  # whatever it is given

    return write_late


def test_threads_that_write_at_the_same_time_write_files_of_their_own(spool: Spool) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda number: spool.write([{"message_id": str(number)}]), range(200)))

    assert len(set(paths)) == 200
    assert {str(message["message_id"]) for file in spool.files() for message in read_messages(file)} == {
        str(number) for number in range(200)
    }


def test_a_directory_that_another_process_has_just_removed_is_made_again(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "write_messages", emptied(spool.directory, 3))

    path = spool.write([{"message_id": "a"}])

    assert spool.files() == [path]


def test_a_directory_that_cannot_be_kept_is_an_error(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "write_messages", emptied(spool.directory, 1 << 30))

    with pytest.raises(FileNotFoundError):
        spool.write([{"message_id": "a"}])


def test_a_file_of_an_earlier_run_with_the_same_process_number_stays(tmp_path: Path) -> None:
    first = Spool(tmp_path, "w").write([{"message_id": "a"}])

    second = Spool(tmp_path, "w").write([{"message_id": "b"}])

    assert first != second
    assert [[message["message_id"] for message in read_messages(file)] for file in (first, second)] == [["a"], ["b"]]
