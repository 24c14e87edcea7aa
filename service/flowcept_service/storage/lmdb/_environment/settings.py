"""How the embedded store is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LmdbSettings:
    """Where the store lives, and how its writers collect changes."""

    directory: Path
    """The data directory; made when it does not exist. One server at a time."""
    map_size: int = 1 << 30
    """Bytes of address space for each of the two databases at the start; doubled whenever they are used up."""
    max_readers: int = 1024
    """Read transactions at one time; each lasts microseconds to milliseconds."""
    flush_interval: float = 0.0
    """Seconds that a change may wait for others to share its commit; with 0, those that came during the last one do."""
    flush_size: int = 1000
    """Number of changes that ends such a wait early."""
    commit_bytes: int = 16 << 20
    """About how many bytes one commit writes at most: large commits are efficient, and delay those behind them."""
    reserve_bytes: int = 4 << 20
    """Disk space that payloads leave free, so that on a full disk records, versions and deletions still go through."""
