"""Stores for tests that need more than one: opened as the service opens them, filled, and compared."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from flowcept_service.cli import main
from flowcept_service.config import ServiceSettings
from flowcept_service.domain.objects import ObjectChange, ObjectFields, Payload
from flowcept_service.domain.records import Collection, Document, EncodedRecord, RecordWrite
from flowcept_service.server.stores import StoreAddress, now
from flowcept_service.storage.records import encode_record
from flowcept_service.storage.replica import ReplicableStorage
from tests.support.blobs import pattern

PIECE_BYTES = 1 << 20


def tasks(start: int, count: int, **fields: Any) -> list[RecordWrite]:
    """Messages that set fields of tasks, with message ids."""

    def merge(name: str, n: int, known: Document | None) -> EncodedRecord:
        return encode_record(Collection.TASKS, {**(known or {}), "task_id": name, "n": n, **fields})

    def write(n: int) -> RecordWrite:
        name = f"t{n}"
        return RecordWrite(Collection.TASKS, name, f"m{n}", partial(merge, name, n))

    return [write(n) for n in range(start, start + count)]


def save(store: ReplicableStorage, object_id: str, data: bytes, *, in_object: bool = False, **given: Any) -> None:
    """Commit bytes as a version."""
    digest = hashlib.sha256(data).hexdigest()
    payload = store.payloads.write([data], digest, in_object=True) if in_object else _upload(store, data, digest)
    change = ObjectChange(
        object_id,
        ObjectFields(**given),
        control_version=True,
        request_id=f"{object_id} {digest}",
        now=now(),
        payload=payload,
        save_data_in_collection=in_object,
    )
    store.objects.commit(change)


def _upload(store: ReplicableStorage, data: bytes, digest: str) -> Payload:
    """Stage bytes in pieces, as clients send them."""
    staging = store.payloads.stage(f"upload {digest}", "object", now())
    pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
    for at in range(0, len(pieces), 8):
        staging = store.payloads.append(staging, pieces[at : at + 8], now())
    return Payload(staging.payload_id, staging.size, digest)


def fill(store: ReplicableStorage, *, large: int = 3 << 20) -> None:
    """Some of everything."""
    for start in range(0, 1000, 250):
        store.records.write(tasks(start, 250, workflow_id=f"w{start}", used={"text": "x" * 200, "list": [1, None]}))
    store.records.delete("workflow_id", "w750")
    for version in range(3):
        save(store, "small", f"version {version}".encode(), tags=("a",))
        save(store, "large", pattern(large + version, version), workflow_id="w0")
        save(store, "inside", pattern(5000, version), in_object=True)
    store.events.acknowledge("reader", 100)


@contextmanager
def opened(address: str) -> Iterator[ReplicableStorage]:
    """A store by its address on the command line."""
    store = StoreAddress.parse("address", address).open(must_exist=False)
    try:
        yield store
    finally:
        store.close()


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Its result."""
        result: dict[str, Any] = json.loads(self.out)
        return result


def command(*arguments: str) -> list[str]:
    """The command line of `flowcept-service`."""
    return [sys.executable, "-m", "flowcept_service", *arguments]


def run_command(*arguments: str) -> Finished:
    """Run `flowcept-service` to its end."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=100, check=False)
    return Finished(done.returncode, done.stdout, done.stderr)


def run_here(*arguments: str) -> Finished:
    """Run `flowcept-service` to its end in this process: quicker, where the process is not what is tested."""
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    return Finished(done.exit_code, done.stdout, done.stderr)


def lmdb_address(directory: Path) -> str:
    """The address of an embedded store."""
    return f"lmdb:{directory}"


def service_settings(**given: Any) -> ServiceSettings:
    """Settings without the environment."""
    return ServiceSettings.load(environ={}, **given)
