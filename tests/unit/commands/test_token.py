"""The command `token new`."""

from __future__ import annotations

import errno
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flowcept_service.cli import main
from flowcept_service.domain.principals import Scope
from flowcept_service.security.tokens import Entry, read_tokens


def new(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["token", "new", *arguments])


def made(*arguments: str) -> tuple[str, Entry]:
    """A token, and what the service makes of its entry."""
    result = new(*arguments, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    entry = read_tokens(printed["entry"].encode()).by_token(printed["token"])
    assert entry is not None
    assert printed["token"] not in printed["entry"]
    return printed["token"], entry


def test_the_entry_is_for_the_token_and_does_not_hold_it() -> None:
    _, entry = made("trainer", "--scope", "publish", "--scope", "write")
    assert entry.principal.name == "trainer"
    assert entry.principal.scopes == {Scope.PUBLISH, Scope.WRITE}
    assert (entry.principal.campaigns, entry.expires) == (None, None)


@pytest.mark.parametrize("name", ["a b", "Jürgen", 'with "quotes"', "node-7.example.org", "\U0001f600"])
def test_names_and_campaigns_are_written_as_toml_has_them(name: str) -> None:
    _, entry = made(name, "--scope", "read", "--campaign", name, "--campaign", "other")
    assert entry.principal.name == name
    assert entry.principal.campaigns == frozenset({name, "other"})


@pytest.mark.parametrize(
    ("written", "expires"),
    [
        ("2999-01-01", datetime(2999, 1, 1, tzinfo=UTC)),
        ("2999-01-01T12:00:00Z", datetime(2999, 1, 1, 12, tzinfo=UTC)),
        ("2999-01-01T12:00:00+02:00", datetime(2999, 1, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_token_may_end(written: str, expires: datetime) -> None:
    assert made("a", "--scope", "read", "--expires", written)[1].expires == expires


def test_a_token_may_end_after_some_days() -> None:
    expires = made("a", "--scope", "read", "--expires", "90d")[1].expires
    assert expires is not None
    assert timedelta(days=89) < expires - datetime.now(UTC) <= timedelta(days=90)


def test_the_token_stands_alone_on_standard_output_when_its_entry_goes_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text("# mine\n[old]\ncertificate = 'c'\nscopes = ['read']\n")
    file.chmod(0o640)
    first = new("a", "--scope", "read", "--file", str(file)).stdout.strip()
    second = new("b", "--scope", "admin", "--file", str(file)).stdout.strip()
    table = read_tokens(file.read_bytes())
    for token, name in ((first, "a"), (second, "b")):
        found = table.by_token(token)
        assert found is not None
        assert found.principal.name == name
    assert table.by_certificate("c") is not None
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    assert new("a", "--scope", "read", "--file", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["a"], "--scope"),
        (["a", "--scope", "root"], "admin"),
        (["", "--scope", "read"], "empty"),
        (["a", "--scope", "read", "--campaign", ""], "empty"),
        (["a", "--scope", "read", "--expires", "soon"], "90d"),
        (["a", "--scope", "read", "--expires", "2020-01-01"], "has passed"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], problem: str) -> None:
    result = new(*arguments)
    assert result.exit_code == 2
    assert problem in result.stderr
    assert not result.stdout


def test_a_name_that_is_taken_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    new("a", "--scope", "read", "--file", str(file))
    before = file.read_bytes()
    result = new("a", "--scope", "admin", "--file", str(file))
    assert result.exit_code == 2
    assert not result.stdout
    assert file.read_bytes() == before


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = new("a", "--scope", "read", "--file", str(tmp_path / "missing" / "tokens.toml"))
    assert result.exit_code == 1
    assert "missing" in result.stderr
    assert not result.stdout


def test_a_disk_that_is_full_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = new("a", "--scope", "read", "--file", str(tmp_path / "tokens.toml"))
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert list(tmp_path.iterdir()) == []
