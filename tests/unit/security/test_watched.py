"""Files that are replaced while they are in use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import CapturingLogger

from flowcept.errors import InvalidArgumentError
from flowcept_service.security.watched import Watched
from tests.support.security import replace_file


def number(content: Sequence[bytes]) -> int:
    try:
        return int(content[0])
    except ValueError:
        raise InvalidArgumentError("no number") from None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "number"
    file.write_text("1")
    return file


def test_a_replacement_is_seen(file: Path) -> None:
    watched = Watched("a number", [file], number)
    assert watched.current() == 1
    replace_file(file, "2")
    assert watched.current() == 2


def test_a_file_that_is_written_in_place_is_seen(file: Path) -> None:
    watched = Watched("a number", [file], number)
    file.write_text("22")
    assert watched.current() == 22


def test_a_link_that_points_elsewhere_is_seen(tmp_path: Path) -> None:
    """As Kubernetes replaces a mounted secret: file -> ..data/file, and ..data is what changes."""
    for version in ("1", "2"):
        (tmp_path / f"..{version}").mkdir()
        (tmp_path / f"..{version}" / "number").write_text(version)
    (tmp_path / "..data").symlink_to("..1")
    file = tmp_path / "number"
    file.symlink_to("..data/number")
    watched = Watched("a number", [file], number)
    assert watched.current() == 1
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert watched.current() == 2


def test_a_broken_replacement_is_logged_once_and_the_old_value_stays(file: Path, log: CapturingLogger) -> None:
    watched = Watched("a number", [file], number)
    replace_file(file, "broken")
    assert [watched.current(), watched.current()] == [1, 1]
    assert [(call.method_name, call.kwargs) for call in log.calls] == [
        ("error", {"what": "a number", "error": "no number"})
    ]


def test_a_file_that_disappears_leaves_the_old_value_until_it_is_back(file: Path, log: CapturingLogger) -> None:
    watched = Watched("a number", [file], number)
    file.unlink()
    assert watched.current() == 1
    assert "cannot be read" in log.calls[0].kwargs["error"]
    file.write_text("3")
    assert watched.current() == 3


def test_a_file_that_is_broken_from_the_start_is_refused(file: Path) -> None:
    file.write_text("broken")
    with pytest.raises(InvalidArgumentError, match="no number"):
        Watched("a number", [file], number)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"a number: .*missing cannot be read"):
        Watched("a number", [tmp_path / "missing"], number)
