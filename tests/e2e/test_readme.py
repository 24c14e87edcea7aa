"""Every snippet of README does what README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import ServerProcess

README = Path(__file__).parents[2] / "README.md"
FENCE = re.compile(r"^```(\w+)( setup)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = {"python": [sys.executable, "-W", "error", "-c"], "bash": ["bash", "-euo", "pipefail", "-c"]}


def snippets() -> list[tuple[str, str]]:
    """The snippets as (language, code); those marked `setup` prepare a machine and are what `.ci/run` itself does."""
    return [(language, code) for language, setup, code in FENCE.findall(README.read_text()) if not setup]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A newcomer's directory and environment, beside a running service."""
    directory = tmp_path_factory.mktemp("readme")
    with ServerProcess(tmp_path_factory.mktemp("service")) as server:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        service = {"FLOWCEPT_TARGET": server.target, "FLOWCEPT_SERVICE_DATA_DIR": str(server.data_dir)}
        yield directory, {**os.environ, **service, "HOME": str(directory), "PATH": path}


def test_readme_names_the_two_commands() -> None:
    assert {"make demo", "make test"} <= set(re.findall(r"make \w+", README.read_text()))


def test_every_snippet_runs(reader: tuple[Path, dict[str, str]]) -> None:
    # One test, because a snippet may use what those before it made in the service, as a reader's would.
    directory, environ = reader
    for language, code in snippets():
        done = subprocess.run(
            [*COMMANDS[language], code], cwd=directory, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
