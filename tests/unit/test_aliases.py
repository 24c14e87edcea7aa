"""The modules of the libraries Flowcept and Flowdapt, under their names there."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowcept._aliases import ALIASES, AliasFinder, install


@pytest.mark.parametrize("name", ALIASES)
def test_an_alias_gives_the_names_of_its_home(name: str) -> None:
    alias, home = importlib.import_module(name), importlib.import_module(ALIASES[name])

    public = [each for each in alias.__all__ if not each.startswith("_")]
    assert public
    assert all(getattr(alias, each) is getattr(home, each) for each in public)


def test_programs_of_the_library_import_what_they_always_did() -> None:
    program = """
from flowcept.commons.flowcept_dataclasses.blob_object import BlobObject
from flowcept.commons.flowcept_dataclasses.task_object import TaskObject
from flowcept.commons.vocabulary import *
from flowcept.flowcept_api.db_api import DBAPI
from flowcept.flowcept_api.flowcept_controller import Flowcept
from flowcept.flowceptor.consumers.base_consumer import BaseConsumer
from flowcept.instrumentation.flowcept_loop import FlowceptLoop
from flowcept.instrumentation.flowcept_task import flowcept_task, get_current_context_task_id
from flowcept.instrumentation.task_capture import FlowceptTask
import flowcept
assert flowcept.Flowcept is Flowcept and flowcept.TaskObject is TaskObject and flowcept.Status is Status
assert flowcept.BaseConsumer is BaseConsumer and flowcept.DBAPI is DBAPI and flowcept.BlobObject is BlobObject
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)


def test_other_names_are_still_missing() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("flowcept.commons.no_such_module")
    with pytest.raises(AttributeError):
        importlib.import_module("flowcept.commons.vocabulary").NoSuchName  # noqa: B018 - asking is what is tested


def test_installing_twice_is_once() -> None:
    install()

    assert sum(isinstance(finder, AliasFinder) for finder in sys.meta_path) == 1


def test_an_installed_flowdapt_goes_before_its_aliases(tmp_path: Path) -> None:
    package = tmp_path / "flowdapt" / "compute"
    package.mkdir(parents=True)
    for directory in (package, package.parent):
        (directory / "__init__.py").touch()
    (package / "object_store.py").write_text("name = 'the installed one'\n")
    program = "import flowcept; from flowdapt.compute.object_store import name; print(name)"
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}

    done = subprocess.run([sys.executable, "-c", program], env=environ, check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "the installed one"
