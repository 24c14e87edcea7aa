"""A server's work without the server, to be killed at any point. Writes what was acknowledged.

Usage: python -m tests.unit.lmdb.crash_writer DIRECTORY RUN
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from flowcept_service.domain.objects import ObjectChange, ObjectFields
from flowcept_service.domain.records import Collection
from flowcept_service.domain.retention import Retention
from flowcept_service.query import parse_query
from flowcept_service.storage.lmdb import LmdbSettings, LmdbStorage
from tests.conformance.harness import BsonEventEncoder, FakeClock, payload_of, task

OBJECTS = 3


def data_of(object_id: str, version: int) -> bytes:
    """The bytes that a version has: large enough for several values, and different in each."""
    return f"{object_id}-{version};".encode() * (20_000 * (version % 4) + 10)


def main() -> None:
    """Write until killed."""
    store = LmdbStorage(LmdbSettings(Path(sys.argv[1]), map_size=1 << 20), BsonEventEncoder(), FakeClock())
    run = sys.argv[2]
    clock = FakeClock()
    lock = threading.Lock()

    def acknowledge(what: str) -> None:
        with lock:
            sys.stdout.write(f"{what}\n")
            sys.stdout.flush()

    def tasks(client: int) -> None:
        for n in range(1_000_000):
            names = [f"t{run}-{client}-{n}-{k}" for k in range(7)]
            outcomes = store.records.write([task(name, f"m{name}", run=run) for name in names])
            acknowledge(f"tasks {' '.join(names)} {outcomes[-1].sequence}")

    def versions(client: int) -> None:
        name = f"o{client}"
        for n in range(1_000_000):
            latest = store.objects.versions(name, None, 1)[0].version if is_known(store, name) else -1
            data = data_of(name, latest + 1)
            staging = store.payloads.stage(f"u{run}-{client}-{n}", name, clock())
            for start in range(0, len(data), 300_000):
                staging = store.payloads.append(staging, [data[start : start + 300_000]], clock())
            payload = payload_of(staging, data)
            change = ObjectChange(name, ObjectFields(), True, staging.upload_id, clock(), payload=payload)
            result = store.objects.commit(change)
            store.payloads.discard(staging.upload_id)
            acknowledge(f"version {name} {result.object.version}")

    def sweep() -> None:
        while True:
            store.sweep(Retention(), clock())

    threads = [threading.Thread(target=tasks, args=(n,), daemon=True) for n in range(2)]
    threads += [threading.Thread(target=versions, args=(n,), daemon=True) for n in range(OBJECTS)]
    threads.append(threading.Thread(target=sweep, daemon=True))
    for thread in threads:
        thread.start()
    threads[0].join()


def is_known(store: LmdbStorage, object_id: str) -> bool:
    """Whether an object exists."""
    return any(True for _ in store.records.find(Collection.OBJECTS, parse_query({"object_id": object_id})))


if __name__ == "__main__":
    main()
