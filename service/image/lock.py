"""Lock the packages of the image: names, versions and hashes of what `pip` may install, for each platform.

The versions are those of ``constraints.txt``, which are tested; the hashes are those of the wheels that `pip` would
choose on each platform. Run it after a change of a dependency or of ``constraints.txt``: ``make lock``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "service" / "image" / "requirements.lock"
EXTRAS = ("tracing",)
"""What the image installs besides the base dependencies."""
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
MANYLINUX = ("manylinux2014", "manylinux_2_26", "manylinux_2_27", "manylinux_2_28")
"""Wheels that run on Debian 12, the image's base."""
HEADER = "# The packages of the image, for Linux on x86-64 and arm64. Made by `make lock`; do not edit.\n"


def requirements() -> list[str]:
    """What the image needs, as `pyproject.toml` says it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (requirement for extra in EXTRAS for requirement in project["optional-dependencies"][extra])
    return [*project["dependencies"], *extras]


def resolve(python: str, machine: str) -> list[tuple[str, str]]:
    """The packages for one platform as pairs of `name==version` and hash."""
    platforms = [argument for name in MANYLINUX for argument in ("--platform", f"{name}_{machine}")]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    command += ["--only-binary", ":all:", "--constraint", str(ROOT / "constraints.txt")]
    command += ["--python-version", python, "--implementation", "cp", *platforms, "--target", str(ROOT / "unused")]
    done = subprocess.run([*command, *requirements()], stdout=subprocess.PIPE, text=True, check=True)
    packages: list[dict[str, Any]] = json.loads(done.stdout)["install"]
    return [
        (
            f"{package['metadata']['name']}=={package['metadata']['version']}",
            f"sha256:{package['download_info']['archive_info']['hashes']['sha256']}",
        )
        for package in packages
    ]


def lock() -> str:
    """The content of the lock file."""
    hashes: dict[str, set[str]] = defaultdict(set)
    for python in PYTHONS:
        for machine in MACHINES:
            for pin, digest in resolve(python, machine):
                hashes[pin].add(digest)
    lines = (
        " \\\n".join([pin, *(f"    --hash={digest}" for digest in sorted(hashes[pin]))])
        for pin in sorted(hashes, key=str.lower)
    )
    return HEADER + "\n".join(lines) + "\n"


if __name__ == "__main__":
    LOCK.write_text(lock(), encoding="utf-8")
    print(f"wrote {LOCK.relative_to(ROOT)}")
