"""Resident memory of a process, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path


def reset_peak(pid: int) -> int:
    """Forget the peak so far; the memory that is resident now, in bytes."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return _status(pid, "VmRSS")


def peak(pid: int) -> int:
    """The most memory that was resident since the last reset, in bytes: file pages that are mapped count too."""
    return _status(pid, "VmHWM")


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise LookupError(f"no {name} of process {pid}")
