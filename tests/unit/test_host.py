"""Facts of host and code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flowcept.host import code_repository, host_facts


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init", "--initial-branch=trunk")
    (tmp_path / "code.py").write_text("x = 1\n")
    git("add", ".")
    git("commit", "--message=first")
    git("remote", "add", "origin", "https://user:secret@example.org/code.git")
    return tmp_path


def test_the_host_has_a_name() -> None:
    assert host_facts()["hostname"]
    assert host_facts()["login_name"]


def test_a_repository_is_described(repository: Path) -> None:
    facts = code_repository(repository)

    assert facts is not None
    assert facts["branch"] == "trunk"
    assert facts["sha"].startswith(facts["short_sha"])
    assert facts["dirty"] == "clean"


def test_changes_that_are_not_committed_make_it_dirty(repository: Path) -> None:
    (repository / "code.py").write_text("x = 2\n")

    facts = code_repository(repository)

    assert facts is not None
    assert facts["dirty"] == "dirty"


def test_credentials_in_the_remote_are_left_out(repository: Path) -> None:
    facts = code_repository(repository)

    assert facts is not None
    assert facts["remote"] == "https://example.org/code.git"


def test_a_directory_without_a_repository_has_no_description(tmp_path: Path) -> None:
    assert code_repository(tmp_path) is None
