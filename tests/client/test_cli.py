"""The command ``flowcept``, as a person or a script runs it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.conditions import PATIENCE, eventually
from tests.support.proxy import Fault, FaultyProxy

MIB = 1 << 20
PAYLOAD = os.urandom(3 * MIB + 5)
SHA256 = hashlib.sha256(PAYLOAD).hexdigest()
COMMAND = [sys.executable, "-c", "from flowcept.cli import main; main()"]


@dataclass(frozen=True)
class Ran:
    """What a run of the command left."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        value: dict[str, Any] = json.loads(self.out)
        return value

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The objects on stdout, one per line."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


def environment(target: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWCEPT_")}
    return {**kept, "FLOWCEPT_TARGET": target, "FLOWCEPT_RETRY_ATTEMPTS": "2"}


@pytest.fixture
def run(service: str, tmp_path: Path) -> Run:
    """Runs the command in a directory of its own."""

    def runner(*arguments: str, target: str = service, stdin: bytes = b"") -> Ran:
        done = subprocess.run(
            [*COMMAND, *arguments],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=environment(target),
            timeout=PATIENCE,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Ran(done.returncode, done.stdout, done.stderr.decode())

    return runner


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "file.bin").write_bytes(PAYLOAD)
    return "file.bin"


def test_put_and_get_bring_the_same_bytes(run: Run, file: str, object_id: str, tmp_path: Path) -> None:
    put = run("blob", "put", file, "--object-id", object_id, "--type", "artifact", "--tag", "a", "--json")
    assert put.code == 0
    assert (put.json["object_id"], put.json["version"], put.json["data_sha256"]) == (object_id, 0, SHA256)
    got = run("blob", "get", object_id, "copy.bin", "--json")
    assert got.code == 0
    assert got.json["path"] == "copy.bin"
    assert (tmp_path / "copy.bin").read_bytes() == PAYLOAD
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.bin", "file.bin"]


def test_a_dash_is_stdin_and_stdout(run: Run, object_id: str) -> None:
    assert run("blob", "put", "-", "--object-id", object_id, stdin=PAYLOAD).code == 0
    got = run("blob", "get", object_id, "-")
    assert got.code == 0
    assert got.out == PAYLOAD


def in_shell(service: str, redirection: str, *arguments: str) -> Ran:
    """A run whose streams the shell has redirected, or closed."""
    command = f"{shlex.join([*COMMAND, *arguments])} {redirection}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, env=environment(service), timeout=PATIENCE, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


@pytest.mark.parametrize(
    ("arguments", "redirection", "closed"),
    [
        (("put", "-"), "<&-", "stdin"),
        (("verify", "anything", "-"), "<&-", "stdin"),
        (("get", "anything", "-"), ">&-", "stdout"),
    ],
)
def test_a_closed_stream_is_said(service: str, arguments: tuple[str, ...], redirection: str, closed: str) -> None:
    done = in_shell(service, redirection, "blob", *arguments)

    assert done.code == 2
    assert f"{closed} is closed" in done.err


@pytest.mark.parametrize("option", ["--json", "--limit=5"])
def test_who_closes_stdout_wants_no_results(run: Run, service: str, file: str, object_id: str, option: str) -> None:
    run("blob", "put", file, "--object-id", object_id, "--type", object_id)

    done = in_shell(service, ">&-", "blob", "ls", "--type", object_id, option)

    assert (done.code, done.err) == (0, "")


def test_metadata_is_json_or_text(run: Run, file: str, object_id: str) -> None:
    options = ("--meta", "epoch=3", "--meta", "stage=best", "--metadata", '{"nested": {"a": [1]}}')
    assert run("blob", "put", file, "--object-id", object_id, *options).code == 0
    stat = run("blob", "stat", object_id, "--json").json
    assert stat["custom_metadata"] == {"nested": {"a": [1]}, "epoch": 3, "stage": "best"}


def test_history_is_listed_newest_first(run: Run, object_id: str) -> None:
    for number in range(3):
        assert run("blob", "put", "-", "--object-id", object_id, "--control-version", stdin=b"%d" % number).code == 0
    assert [row["version"] for row in run("blob", "history", object_id, "--json").lines] == [2, 1, 0]
    assert run("blob", "get", object_id, "-", "--version", "1").out == b"1"
    assert run("blob", "history", object_id).out.startswith(b"VERSION")


def test_ls_finds_by_field_tag_and_filter(run: Run, file: str, object_id: str) -> None:
    run("blob", "put", file, "--object-id", object_id, "--workflow-id", object_id, "--tag", "best", "--meta", "a=5")
    for options in (
        ("--workflow-id", object_id),
        ("--workflow-id", object_id, "--tag", "best"),
        ("--filter", json.dumps({"object_id": object_id, "custom_metadata.a": {"$gte": 5}})),
        ("--filter", json.dumps({"object_id": object_id, "updated_at": {"$gt": {"$date": "2020-01-01T00:00:00Z"}}})),
    ):
        assert [row["object_id"] for row in run("blob", "ls", *options, "--json").lines] == [object_id]
    assert run("blob", "ls", "--workflow-id", object_id, "--tag", "worst", "--json").out == b""


def test_the_same_put_again_changes_nothing(run: Run, file: str, object_id: str) -> None:
    command = ("blob", "put", file, "--object-id", object_id, "--control-version", "--json")
    assert run(*command).json["version"] == 0
    again = run(*command)
    assert again.json["version"] == 0
    assert "stored already" in again.err


def test_a_put_after_another_version_is_a_new_one(run: Run, file: str, object_id: str) -> None:
    command = ("blob", "put", file, "--object-id", object_id, "--control-version", "--json")
    assert run(*command).json["version"] == 0
    assert run("blob", "put", "-", "--object-id", object_id, stdin=b"other").code == 0
    assert run(*command).json["version"] == 2
    assert run(*command).json["version"] == 2


def test_a_put_after_the_object_was_deleted_stores_it_again(run: Run, file: str, object_id: str) -> None:
    run("blob", "put", file, "--object-id", object_id)
    run("blob", "rm", object_id)

    again = run("blob", "put", file, "--object-id", object_id, "--json")

    assert (again.code, again.json["version"], again.json["data_sha256"]) == (0, 0, SHA256)
    assert run("blob", "verify", object_id).code == 0


def test_a_put_after_the_object_was_made_anew_is_a_new_version(run: Run, file: str, object_id: str) -> None:
    run("blob", "put", file, "--object-id", object_id)
    run("blob", "rm", object_id)
    run("blob", "put", "-", "--object-id", object_id, stdin=b"other")

    again = run("blob", "put", file, "--object-id", object_id, "--json")

    assert (again.json["version"], again.json["data_sha256"]) == (1, SHA256)


def test_a_put_without_an_object_id_is_the_same_object_when_repeated(run: Run, file: str) -> None:
    first = run("blob", "put", file, "--json").json
    assert run("blob", "put", file, "--json").json["object_id"] == first["object_id"]


def test_verify_compares_stored_bytes_and_files(run: Run, file: str, object_id: str, tmp_path: Path) -> None:
    run("blob", "put", file, "--object-id", object_id)
    assert run("blob", "verify", object_id, "--json").json["verified"] is True
    assert run("blob", "verify", object_id, file).code == 0
    assert run("blob", "verify", object_id, "-", stdin=PAYLOAD).code == 0
    (tmp_path / "other").write_bytes(b"other")
    wrong = run("blob", "verify", object_id, "other")
    assert wrong.code == 6
    assert wrong.out == b""


def test_rm_deletes_and_says_what_it_could_not(run: Run, object_id: str) -> None:
    run("blob", "put", "-", "--object-id", object_id, stdin=b"x")
    partly = run("blob", "rm", object_id, f"{object_id}-missing", "--json")
    assert partly.code == 1
    assert [row["object_id"] for row in partly.lines] == [object_id]
    assert json.loads(partly.err)["reason"] == "OBJECT_NOT_FOUND"
    assert run("blob", "rm", object_id).code == 3


def test_history_is_not_removed(run: Run, object_id: str) -> None:
    run("blob", "put", "-", "--object-id", object_id, "--control-version", stdin=b"x")
    refused = run("blob", "rm", object_id)
    assert refused.code == 1
    assert "append-only" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("blob", "stat", "unknown"), 3),
        (("blob", "get", "unknown", "-"), 3),
        (("blob", "history", "unknown"), 3),
        (("blob", "put", "missing-file"), 2),
        (("blob", "put", "-", "--meta", "no-equals-sign"), 2),
        (("blob", "put", "-", "--metadata", "[1]"), 2),
        (("blob", "put", "-", "--metadata", '{"a": 1e999, "b": 99999999999999999999}'), 2),
        (("blob", "ls", "--filter", "{"), 2),
        (("blob", "ls", "--filter", '{"$where": "1"}'), 2),
        (("blob", "stat", "x", "--version", "-1"), 2),
        (("nonsense",), 2),
        (("--help",), 0),
        (("blob", "put", "--help"), 0),
        (("--version",), 0),
        (("health",), 0),
    ],
)
def test_exit_codes_are_as_documented(run: Run, arguments: tuple[str, ...], code: int) -> None:
    assert run(*arguments).code == code


def test_health_warns_of_the_library_that_brings_the_same_package(run: Run, tmp_path: Path) -> None:
    assert run("health").err == ""
    installed = tmp_path / "flowcept-0.10.6.dist-info"  # found there, because the command runs in that directory
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: flowcept\nVersion: 0.10.6\n")

    done = run("health")

    assert done.code == 0
    assert "'flowcept' 0.10.6 is installed beside 'flowcept-service'" in done.err


def test_a_service_that_is_away_is_code_5(run: Run) -> None:
    for arguments in (("health",), ("blob", "ls"), ("blob", "put", "-")):
        away = run(*arguments, target="127.0.0.1:1", stdin=b"x")
        assert away.code == 5
        assert "FLOWCEPT_TARGET" in away.err


def test_a_lost_race_names_the_current_version(run: Run, object_id: str) -> None:
    run("blob", "put", "-", "--object-id", object_id, stdin=b"x")
    lost = run("blob", "put", "-", "--object-id", object_id, "--expected-version", "7", "--json", stdin=b"y")
    assert lost.code == 1
    assert json.loads(lost.err)["metadata"]["current_version"] == "0"
    assert lost.out == b""


def test_without_a_terminal_nothing_but_the_result_is_printed(run: Run, file: str, object_id: str) -> None:
    put = run("blob", "put", file, "--object-id", object_id)
    assert put.err == ""
    assert put.out.decode().startswith(object_id)


def test_help_teaches_with_examples(run: Run) -> None:
    for command in ("put", "get", "ls", "stat", "history", "rm", "verify"):
        text = run("blob", command, "--help").out.decode()
        assert f"\n    flowcept blob {command}" in text


def interrupted(arguments: tuple[str, ...], target: str, cwd: Path, seen: Callable[[], bool]) -> int:
    """Run the command, press Ctrl-C once something is seen, and give its exit code."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=cwd, env=environment(target), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        eventually(seen)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert b"Traceback" not in err
    return process.returncode


def test_an_interrupted_get_is_continued(run: Run, service: str, object_id: str, tmp_path: Path) -> None:
    payload = os.urandom(8 * MIB)
    (tmp_path / "large").write_bytes(payload)
    assert run("blob", "put", "large", "--object-id", object_id).code == 0
    part = tmp_path / f"copy.{hashlib.sha256(payload).hexdigest()[:12]}.part"
    with FaultyProxy(service, delay=0.02) as slow:
        code = interrupted(
            ("blob", "get", object_id, "copy"),
            slow.target,
            tmp_path,
            lambda: part.exists() and part.stat().st_size > MIB,
        )
    assert code == 130
    kept = part.stat().st_size
    assert 0 < kept < len(payload)
    assert not (tmp_path / "copy").exists()
    with FaultyProxy(service) as counted:
        assert run("blob", "get", object_id, "copy", target=counted.target).code == 0
    assert (tmp_path / "copy").read_bytes() == payload
    assert not part.exists()


def test_a_put_whose_connection_breaks_goes_on_by_itself(
    run: Run, service: str, object_id: str, tmp_path: Path
) -> None:
    payload = os.urandom(12 * MIB)
    (tmp_path / "large").write_bytes(payload)
    with FaultyProxy(service, Fault(after_sent=5 * MIB)) as proxy:
        put = run("blob", "put", "large", "--object-id", object_id, "--json", target=proxy.target)
        assert proxy.broken == 1
    assert put.code == 0
    assert put.json["data_sha256"] == hashlib.sha256(payload).hexdigest()
