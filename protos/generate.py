"""Generates the Python stubs of the contract into `client/flowcept/v1`, or checks that they are fresh.

    python protos/generate.py [--check]

The compiler runs in an environment of its own under `.cache/`: it is the oldest that we support, because stubs refuse
a runtime older than the compiler that made them, and it must not decide which runtime the project is tested with.
The path of a .proto file is the path of its Python module, so imports need no rewriting.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "protos"
TARGET = ROOT / "client"
PACKAGE = Path("flowcept/v1")
TOOLS = ("grpcio-tools==1.74.0", "mypy-protobuf==5.1.0", "setuptools==80.9.0")
ENVIRONMENT = ROOT / ".cache" / "protoc"
INIT = '"""Generated from `protos/flowcept/v1`; not to be edited."""\n'


def compiler() -> Path:
    """The directory of the compiler's programs, installed if it is not there."""
    stamp = ENVIRONMENT / "tools.txt"
    wanted = "\n".join(TOOLS)
    if not stamp.exists() or stamp.read_text() != wanted:
        print("installing the protobuf compiler into .cache/", file=sys.stderr)
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        venv.create(ENVIRONMENT, with_pip=True)
        pip = [str(ENVIRONMENT / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *TOOLS], check=True)
        stamp.write_text(wanted)
    return ENVIRONMENT / "bin"


def generate(target: Path) -> None:
    """Write all stubs below a directory."""
    programs = compiler()
    command = [str(programs / "python"), "-m", "grpc_tools.protoc", f"-I{SOURCE}"]
    files = sorted((SOURCE / PACKAGE).glob("*.proto"))
    services = [file for file in files if file.stem.endswith("_service")]
    # protoc finds its plugins on the path.
    environ = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    messages = [*command, f"--python_out={target}", f"--pyi_out={target}", *map(str, files)]
    stubs = [*command, f"--grpc_python_out={target}", f"--mypy_grpc_out={target}", *map(str, services)]
    for arguments in (messages, stubs):
        subprocess.run(arguments, check=True, env=environ, stderr=subprocess.DEVNULL)
    (target / PACKAGE / "__init__.py").write_text(INIT)


def contents(root: Path) -> dict[str, bytes]:
    """The generated files below a directory, by name."""
    return {file.name: file.read_bytes() for file in (root / PACKAGE).glob("*.py*")}


def stale() -> list[str]:
    """The names of checked-in stubs that differ from what the contract says now."""
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name))
        fresh = contents(Path(name))
    present = contents(TARGET)
    return sorted(file for file in fresh.keys() | present.keys() if fresh.get(file) != present.get(file))


def main() -> int:
    """Generate, or check; 1 if something is stale."""
    parser = argparse.ArgumentParser(description="Generate the Python stubs of the contract.")
    parser.add_argument("--check", action="store_true", help="only say whether the checked-in stubs are fresh")
    if not parser.parse_args().check:
        for old in (TARGET / PACKAGE).glob("*.py*"):
            old.unlink()
        generate(TARGET)
        return 0
    names = stale()
    if names:
        print(f"stale stubs, run `make stubs` and commit: {', '.join(names)}", file=sys.stderr)
        return 1
    print("stubs are fresh")
    return 0


if __name__ == "__main__":
    sys.exit(main())
