"""Programs in JavaScript: Node.js from ``PATH``, else from PyPI, and packages from npm."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.npm import ROOT, cache


@dataclass(frozen=True)
class Program:
    """A program with its packages.

    Args:
        file: The program.
        environ: The environment that it needs.
    """

    file: Path
    environ: dict[str, str]

    def start(self, target: str, *arguments: str, stdin: Path = Path(os.devnull)) -> subprocess.Popen[str]:
        """Start it against a service; what it prints and complains of are pipes.

        Args:
            target: `host:port` of the service.
            *arguments: Arguments of the program.
            stdin: File to read from; nothing by default.
        """
        with stdin.open() as source:
            return subprocess.Popen(
                ["node", str(self.file), *arguments],
                env={**self.environ, "FLOWCEPT_TARGET": target},
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )


def installed(file: Path) -> Program:
    """A program, with the packages that its lock file names: fetched once into ``.cache/``."""
    environ = {**os.environ, "PATH": f"{_node()}{os.pathsep}{os.environ['PATH']}"}
    lock = file.with_name("package-lock.json")
    with cache("node-packages") as directory:
        home = directory / hashlib.sha256(lock.read_bytes()).hexdigest()
        if not home.exists():
            draft = home.with_suffix(".part")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            for name in (lock, file.with_name("package.json")):
                shutil.copy(name, draft)
            subprocess.run(["npm", "ci", "--silent", "--no-fund", "--no-audit"], cwd=draft, env=environ, check=True)
            draft.rename(home)
    return Program(file, {**environ, "NODE_PATH": str(home / "node_modules")})


def _node() -> str:
    found = subprocess.run(
        [ROOT / "protos" / "node.sh"],
        env={**os.environ, "PYTHON": sys.executable},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return found.stdout.strip()
