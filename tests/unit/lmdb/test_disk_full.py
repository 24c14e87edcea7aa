"""A full disk refuses writes, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flowcept.errors import Reason, ResourceExhaustedError
from flowcept_service.domain.objects import ObjectChange, ObjectFields, Precondition
from flowcept_service.domain.records import Collection
from flowcept_service.domain.retention import Retention
from flowcept_service.storage.lmdb import LmdbStorage
from tests.conformance.harness import FakeClock, digest, in_parallel, payload_of, task
from tests.unit.lmdb.conftest import Open

MIB = 1 << 20


def until_full(step: Callable[[int], object]) -> int:
    """Take steps until the disk is full; how many were taken."""
    for n in range(10_000):
        try:
            step(n)
        except ResourceExhaustedError as error:
            if error.reason != Reason.STORAGE_FULL:
                raise
            return n
    raise AssertionError("the disk never became full")


def fill_with_records(store: LmdbStorage) -> int:
    """Write until the disk is full; how many records were acknowledged."""
    return until_full(lambda n: store.records.write([task(f"t{n}", filling="x" * 100_000)]))


def take_room(disk: Path, leave: int) -> Path:
    """A file that takes all of the disk but ``leave`` bytes."""
    status = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * (status.f_bavail * status.f_frsize - leave))
    return ballast


def test_records_are_refused_and_reads_go_on(small_disk: Path, open_store: Open) -> None:
    store = open_store(small_disk)

    stored = fill_with_records(store)

    assert stored > 10
    assert store.records.count(Collection.TASKS) == stored
    assert store.events.bounds().last == stored
    assert (store.records.get(Collection.TASKS, f"t{stored - 1}") or {})["task_id"] == f"t{stored - 1}"
    assert store.records.get(Collection.TASKS, f"t{stored}") is None


def test_writes_work_again_once_there_is_room(small_disk: Path, open_store: Open) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (8 * MIB))
    store = open_store(small_disk)
    stored = fill_with_records(store)

    ballast.unlink()

    outcomes = store.records.write([task(f"u{n}", filling="x" * 100_000) for n in range(10)])
    assert [outcome.sequence for outcome in outcomes] == list(range(stored + 1, stored + 11))


def test_everyone_in_a_group_is_told(small_disk: Path, open_store: Open) -> None:
    store = open_store(small_disk)
    fill_with_records(store)
    take_room(small_disk, 0)

    def write() -> Reason | None:
        try:
            store.records.write([task("late", filling="x" * 1_000_000)])
        except ResourceExhaustedError as error:
            return error.reason
        return None

    assert in_parallel([write] * 8) == [Reason.STORAGE_FULL] * 8
    assert store.records.get(Collection.TASKS, "late") is None


def test_what_was_acknowledged_is_there_after_a_restart(small_disk: Path, open_store: Open) -> None:
    store = open_store(small_disk)
    stored = fill_with_records(store)
    store.close()

    reopened = open_store(small_disk)

    assert reopened.records.count(Collection.TASKS) == stored
    assert reopened.events.bounds().last == stored


def test_an_upload_is_refused_and_can_be_resumed(small_disk: Path, open_store: Open, clock: FakeClock) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (12 * MIB))
    store = open_store(small_disk)
    data = b"".join(bytes([n]) * MIB for n in range(20))
    states = [store.payloads.stage("u", "a", clock())]

    def append(n: int) -> None:
        states.append(store.payloads.append(states[-1], [data[n * MIB : (n + 1) * MIB]], clock()))

    staged = until_full(append)
    assert 5 < staged < 20

    ballast.unlink()

    resumed = store.payloads.stage("u", "a", clock())
    assert resumed.size == staged * MIB
    while resumed.size < len(data):
        resumed = store.payloads.append(resumed, [data[resumed.size : resumed.size + MIB]], clock())
    change = ObjectChange("a", ObjectFields(), True, "u", clock(), payload=payload_of(resumed, data))
    version = store.objects.commit(change).object
    assert b"".join(store.payloads.read(version, 0, len(data), MIB)) == data


def test_payloads_leave_room_for_records_and_deletions(small_disk: Path, open_store: Open, clock: FakeClock) -> None:
    """An operator can free space through the service itself."""
    store = open_store(small_disk)
    data = b"x" * MIB

    def save(n: int) -> None:
        payload = store.payloads.write([data], digest(data), in_object=False)
        store.objects.commit(ObjectChange(f"o{n}", ObjectFields(), False, "", clock(), payload=payload))

    assert until_full(save) > 5

    store.records.write([task("t1")])
    for n in range(5):
        store.objects.delete(f"o{n}", Precondition(), clock())
    assert store.sweep(Retention(), clock()).payloads == 5
