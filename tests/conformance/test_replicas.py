"""Stores can be copied, and be copies, of one another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.suites.replicas import Copy, ReplicaSuite
from tests.conformance.test_lmdb import LmdbHarness


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    source, target = LmdbHarness(tmp_path / "source"), LmdbHarness(tmp_path / "target")
    copy = Copy(source, target)
    yield copy
    copy.close()
    source.storage.close()
    target.storage.close()


class TestLmdbToLmdb(ReplicaSuite): ...
