"""Streaming much data through the store leaves the process as small as it was."""

from __future__ import annotations

from pathlib import Path

from flowcept_service.domain.objects import ObjectChange, ObjectFields, Staging
from flowcept_service.storage.lmdb import LmdbStorage
from tests.conformance.harness import FakeClock, payload_of
from tests.unit.lmdb.conftest import Open

MIB = 1 << 20
SIZE = 96 * MIB


def resident_bytes() -> int:
    """Memory of this process, mapped files included."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


PART = b"0123456789abcdef" * (4 * MIB // 16)


def stage(store: LmdbStorage, clock: FakeClock) -> Staging:
    """Stage a large payload."""
    staging = store.payloads.stage("u", "a", clock())
    for _ in range(SIZE // len(PART)):
        staging = store.payloads.append(staging, [PART], clock())
    return staging


def test_reading_a_payload_keeps_none_of_it(tmp_path: Path, open_store: Open, clock: FakeClock) -> None:
    store = open_store(tmp_path)
    staging = stage(store, clock)
    change = ObjectChange("a", ObjectFields(), True, "u", clock(), payload=payload_of(staging, b""))
    version = store.objects.commit(change).object
    pieces = store.payloads.read(version, 0, SIZE, MIB)
    next(pieces)
    before = resident_bytes()

    total = sum(map(len, pieces))

    assert total == SIZE - MIB
    assert resident_bytes() - before < 24 * MIB


def test_removing_a_payload_keeps_none_of_it(tmp_path: Path, open_store: Open, clock: FakeClock) -> None:
    store = open_store(tmp_path)
    stage(store, clock)
    before = resident_bytes()

    assert store.payloads.discard("u")

    assert resident_bytes() - before < 24 * MIB
