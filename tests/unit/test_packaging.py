"""What is installed: both import packages, both commands, a client that is quick to import."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
HEAVY = ("flowcept_service", "grpc", "lmdb", "numpy", "pandas", "pyarrow", "pymongo.collection", "torch")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of the files in the wheel."""
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_holds_both_packages_with_their_types(wheel: list[str]) -> None:
    for package in ("flowcept", "flowcept_service"):
        assert {f"{package}/__init__.py", f"{package}/py.typed"} <= {*wheel}


def test_the_wheel_holds_the_stubs(wheel: list[str]) -> None:
    assert {"flowcept/v1/blob_store_service_pb2.py", "flowcept/v1/provenance_service_pb2_grpc.pyi"} <= {*wheel}


def test_the_wheel_holds_nothing_else(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"flowcept", "flowcept_service"}


@pytest.mark.parametrize("command", ["flowcept", "flowcept-service"])
def test_a_command_explains_itself(command: str) -> None:
    program = Path(sys.executable).parent / command

    done = subprocess.run([str(program), "--help"], capture_output=True, text=True, check=True)

    assert "Usage:" in done.stdout
    assert not done.stderr


def test_importing_the_client_is_light() -> None:
    code = f"import sys, flowcept; print([name for name in {HEAVY!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
