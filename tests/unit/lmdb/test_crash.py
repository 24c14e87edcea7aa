"""SIGKILL at any point: what was acknowledged is there, and what is there is whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from flowcept_service.domain.events import EventKind
from flowcept_service.domain.records import Collection
from flowcept_service.domain.retention import Retention
from flowcept_service.query import parse_query
from flowcept_service.storage.lmdb import LmdbStorage
from tests.conformance.harness import FakeClock, decode_frames, digest
from tests.unit.lmdb.conftest import Open
from tests.unit.lmdb.crash_writer import OBJECTS, data_of, is_known

KILLS = 6


def run_until_killed(directory: Path, run: int, chance: random.Random) -> Iterator[list[str]]:
    """What a writer acknowledged before it was killed at some point: some of everything that it writes, and more."""
    command = [sys.executable, "-m", "tests.unit.lmdb.crash_writer", str(directory), str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        kinds: set[str] = set()
        further = chance.randrange(100)  # acknowledgements of several threads, so the kill is anywhere in their work
        while kinds < {"tasks", "version"} or further > 0:
            line = writer.stdout.readline()
            assert line, "the writer must not end by itself"
            kinds.add(line.partition(" ")[0])
            further -= 1
            yield line.split()
        writer.kill()
        for line in writer.stdout:
            if line.endswith("\n"):
                yield line.split()
    assert writer.returncode == -signal.SIGKILL


def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(
    tmp_path: Path, open_store: Open, clock: FakeClock
) -> None:
    chance = random.Random(20261121)
    tasks: dict[str, int] = {}
    latest = dict.fromkeys((f"o{n}" for n in range(OBJECTS)), -1)
    for run in range(KILLS):
        for kind, *rest in run_until_killed(tmp_path, run, chance):
            if kind == "tasks":
                tasks.update(dict.fromkeys(rest[:-1], int(rest[-1])))
            else:
                latest[rest[0]] = max(latest[rest[0]], int(rest[1]))
        store = open_store(tmp_path)
        check_records(store, tasks)
        check_versions(store, latest)
        check_log(store)
        store.sweep(Retention(), clock())
        check_versions(store, latest)
        store.close()
    assert len(tasks) >= 7 * KILLS


def check_records(store: LmdbStorage, acknowledged: dict[str, int]) -> None:
    for name in acknowledged:
        assert store.records.get(Collection.TASKS, name) is not None
    found = list(store.records.find(Collection.TASKS, parse_query({})))
    assert len(found) == store.records.count(Collection.TASKS)


def check_versions(store: LmdbStorage, acknowledged: dict[str, int]) -> None:
    for name, latest in acknowledged.items():
        if latest < 0 and not is_known(store, name):
            continue
        versions = store.objects.versions(name, None, 1_000_000)
        assert versions[0].version >= latest
        assert [version.version for version in versions] == list(range(versions[0].version, -1, -1))
        for version in versions:
            data = b"".join(store.payloads.read(version, 0, version.object_size_bytes, 1 << 20))
            assert data == data_of(name, version.version)
            assert version.data_sha256 == digest(data)
            assert version.prev_version == (version.version - 1 if version.version else None)


def check_log(store: LmdbStorage) -> None:
    """The log has no gap, and a record or version exists exactly if its event does."""
    events = [event for block in store.events.read(0, 1 << 40) for event in decode_frames(block.frames)]
    assert [event["sequence"] for event in events] == list(range(1, store.events.bounds().last + 1))
    names = [event["id"] for event in events if event["kind"] is EventKind.TASK]
    assert len(set(names)) == len(names) == store.records.count(Collection.TASKS)
    versions = {(event["id"], event["object_version"]) for event in events if event["kind"] is EventKind.OBJECT}
    held = store.records.count(Collection.OBJECTS) + store.records.count(Collection.OBJECT_HISTORY)
    assert len(versions) == held
