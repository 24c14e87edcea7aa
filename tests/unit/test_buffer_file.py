"""Buffer files: reading, data frames, consolidating, deleting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowcept import buffer_file
from flowcept.capture.controller import Flowcept
from flowcept.config import BufferFileSettings
from flowcept.errors import InvalidArgumentError
from flowcept.jsonlines import read_messages, write_messages


def message(number: int, **fields: Any) -> dict[str, Any]:
    return {"message_id": f"m{number}", "used": {"i": number}, **fields}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "buffer.jsonl"


def split_files(base: Path, workflow_id: str = "w") -> list[Path]:
    """Two split files of a workflow, with a message each."""
    files = [base.with_name(f"buffer_{workflow_id}_{process}_7.jsonl") for process in (1, 2)]
    for number, file in enumerate(files):
        write_messages(file, [message(number)])
    return files


def test_a_file_is_read_as_a_list(base: Path) -> None:
    write_messages(base, [message(0), message(1)])

    assert Flowcept.read_buffer_file(base) == [message(0), message(1)]
    assert Flowcept.read_buffer_file(str(base)) == [message(0), message(1)]


def test_a_file_is_read_as_a_data_frame_raw_or_normalized(base: Path) -> None:
    pytest.importorskip("pandas")
    write_messages(base, [message(0)])

    raw: Any = Flowcept.read_buffer_file(base, return_df=True)
    normalized: Any = Flowcept.read_buffer_file(base, return_df=True, normalize_df=True)

    assert raw["used"][0] == {"i": 0}
    assert normalized["used.i"][0] == 0


def test_a_missing_file_is_an_error_that_says_when_it_is_written(base: Path) -> None:
    with pytest.raises(FileNotFoundError, match="dump_buffer"):
        Flowcept.read_buffer_file(base)


def test_split_files_are_consolidated_and_cleaned_up(base: Path) -> None:
    files = split_files(base)

    found = Flowcept.read_buffer_file(base, consolidate=True, workflow_id="w")

    assert found == [message(0), message(1)]
    assert list(read_messages(base.with_name("buffer_w.jsonl"))) == found
    assert not any(file.exists() for file in files)


def test_split_files_can_be_kept(base: Path) -> None:
    files = split_files(base)

    Flowcept.read_buffer_file(base, consolidate=True, workflow_id="w", cleanup_files=False)

    assert all(file.exists() for file in files)


def test_consolidating_twice_loses_nothing_and_doubles_nothing(base: Path) -> None:
    split_files(base)
    Flowcept.read_buffer_file(base, consolidate=True, workflow_id="w", cleanup_files=False)
    write_messages(base.with_name("buffer_w_3_7.jsonl"), [message(2)])

    again = Flowcept.read_buffer_file(base, consolidate=True, workflow_id="w")

    assert again == [message(0), message(1), message(2)]
    assert Flowcept.read_buffer_file(base, consolidate=True, workflow_id="w") == again


def test_files_of_another_workflow_are_left_alone(base: Path) -> None:
    split_files(base, "w")
    others = split_files(base, "w2")

    assert len(Flowcept.read_buffer_file(base, consolidate=True, workflow_id="w")) == 2
    assert all(file.exists() for file in others)


def test_equal_lines_of_one_file_are_as_many_messages(base: Path) -> None:
    without_id = {"used": {"i": 1}}
    write_messages(base.with_name("buffer_w_1_7.jsonl"), [without_id, without_id])

    assert len(Flowcept.read_buffer_file(base, consolidate=True, workflow_id="w")) == 2


def test_what_was_not_split_is_read_as_it_is(base: Path) -> None:
    write_messages(base, [message(0)])

    assert Flowcept.read_buffer_file(base, consolidate=True, workflow_id="w") == [message(0)]


def test_consolidating_needs_a_workflow_and_files(base: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="workflow_id"):
        Flowcept.read_buffer_file(base, consolidate=True)
    with pytest.raises(FileNotFoundError, match="'w'"):
        Flowcept.read_buffer_file(base, consolidate=True, workflow_id="w")


def test_a_damaged_file_changes_nothing(base: Path) -> None:
    files = split_files(base)
    files[1].write_text("{cut")

    with pytest.raises(InvalidArgumentError, match="Line 1"):
        Flowcept.read_buffer_file(base, consolidate=True, workflow_id="w")

    assert all(file.exists() for file in files)
    assert not base.with_name("buffer_w.jsonl").exists()


def test_a_file_is_deleted_and_a_missing_one_is_fine(base: Path) -> None:
    write_messages(base, [message(0)])

    Flowcept.delete_buffer_file(base)
    Flowcept.delete_buffer_file(base)

    assert not base.exists()


def test_dumping_replaces_what_was_there_and_makes_the_directory(tmp_path: Path) -> None:
    path = tmp_path / "new" / "buffer.jsonl"
    buffer_file.dump(path, [message(0), message(1)])
    buffer_file.dump(path, [message(2)])

    assert list(read_messages(path)) == [message(2)]


def test_paths_are_split_as_configured(tmp_path: Path) -> None:
    def name(**given: bool) -> str:
        return buffer_file.run_path(BufferFileSettings(path=tmp_path / "b.jsonl", **given), "w").name

    assert name() == "b.jsonl"
    assert name(append_workflow_id_to_path=True) == "b_w.jsonl"
    both = name(append_workflow_id_to_path=True, append_id_to_path=True)
    assert both.startswith("b_w_")
    assert both.count("_") == 3
