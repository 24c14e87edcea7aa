"""Stores to back up, and their backups."""

from __future__ import annotations

from pathlib import Path

from tests.support.stores import fill, lmdb_address, opened, run_here


def filled(directory: Path) -> Path:
    """A data directory with some of everything, which is not open."""
    with opened(lmdb_address(directory)) as store:
        fill(store)
        store.events.acknowledge("durable", 7)
    return directory


def backed_up(store: Path, target: Path) -> Path:
    """A backup that was made."""
    done = run_here("backup", str(target), "--data-dir", str(store), "--json")
    assert done.code == 0, done.err
    return target
