"""Stores of this package's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowcept_service.storage.lmdb import LmdbSettings, LmdbStorage
from tests.conformance.harness import BsonEventEncoder, FakeClock
from tests.support.disks import small_file_system

Open = Callable[[Path], LmdbStorage]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def open_store(clock: FakeClock) -> Iterator[Open]:
    """Opens stores, and closes them when the test is over."""
    opened: list[LmdbStorage] = []

    def open_(directory: Path) -> LmdbStorage:
        store = LmdbStorage(LmdbSettings(directory, map_size=1 << 20), BsonEventEncoder(), clock)
        opened.append(store)
        return store

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MiB."""
    with small_file_system(tmp_path / "small", 32) as place:
        yield place
