"""Client programs in processes of their own, and the memory of processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def run_client(program: str, *arguments: str) -> dict[str, Any]:
    """Run a program with arguments and without settings in its environment; the JSON object that it prints."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FLOWCEPT_")}
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, env=environ, check=False)
    assert done.returncode == 0, done.stderr.decode()
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def peak_mib(pid: int) -> float:
    """The most memory that a process ever had resident; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields["VmHWM"].split()[0]) / 1024 if "VmHWM" in fields else 0.0
