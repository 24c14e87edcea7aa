"""A source, a store that becomes its copy, and everything that the two must have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import bson

from flowcept_service.domain.events import EventAction, EventKind, LoggedEvent
from flowcept_service.domain.objects import Precondition
from flowcept_service.domain.records import Collection
from flowcept_service.domain.replication import LogBlock, RowKey
from flowcept_service.replication.progress import Meter
from flowcept_service.replication.replication import Replication
from flowcept_service.storage.replica import ReplicableStorage
from tests.conformance.harness import StoreHarness, digest, record, task

LARGE = 700_000
"""Bytes that no store keeps beside their version."""


class BsonEventReader:
    """Reads what ``BsonEventEncoder`` made."""

    def read(self, frames: bytes) -> Iterator[LoggedEvent]:
        for frame in bson.decode_all(frames):
            body = bson.decode(frame["body"])
            yield LoggedEvent(
                kind=EventKind(body["kind"]),
                action=EventAction(body["action"]),
                id=body["id"],
                commit_time=body["commit_time"],
                document=body["document"],
            )


@dataclass
class Copy:
    """A source, the store that is to become its copy, and the copying."""

    source: StoreHarness
    target: StoreHarness
    replications: list[Replication] = field(default_factory=list)

    def replicable(self) -> tuple[ReplicableStorage, ReplicableStorage]:
        source: Any = self.source.storage
        target: Any = self.target.storage
        return source, target

    def begin(self, *, replace: bool = False) -> Replication:
        source, target = self.replicable()
        replication = Replication(
            source,
            target,
            BsonEventReader(),
            self.source.clock,
            lambda: False,
            meter=Meter(),
            replace_target=replace,
        )
        self.replications.append(replication)
        return replication

    def run(self, *, replace: bool = False) -> Replication:
        """Copy until there is nothing left to do."""
        replication = self.begin(replace=replace)
        while replication.step():
            pass
        return replication

    def close(self) -> None:
        for replication in self.replications:
            replication.close()

    def assert_equal(self) -> None:
        source, target = map(contents, self.replicable())
        for part, held in source.items():
            assert target[part] == held, part


def contents(store: ReplicableStorage) -> dict[str, Any]:
    """Everything that a store holds, in comparable form; bytes of payloads are read and verified."""
    held: dict[str, Any] = {}
    for collection in Collection:
        rows = all_rows(store, collection)
        held[collection.value] = rows
        if collection in {Collection.OBJECTS, Collection.OBJECT_HISTORY}:
            for key in rows:
                verify_payload(store, key)
    bounds = store.events.bounds()
    held["bounds"] = (bounds.oldest, bounds.last)
    held["log"] = [comparable(block) for block in store.replica.changes(bounds.oldest - 1, 1 << 40)]
    held["consumers"] = dict(store.replica.consumers())
    held["requests"] = all_requests(store)
    return held


def comparable(block: LogBlock) -> tuple[Any, ...]:
    requests = sorted((request.request_id, request.result) for request in block.requests)
    return block.events, block.committed_at, sorted(block.messages), requests


def all_rows(store: ReplicableStorage, collection: Collection) -> dict[RowKey, bytes]:
    rows: dict[RowKey, bytes] = {}
    cursor = b""
    while True:
        page = store.replica.rows(collection, cursor, 10_000)
        rows.update((row.key, row.data) for row in page.rows)
        if not page.cursor:
            return rows
        cursor = page.cursor


def all_requests(store: ReplicableStorage) -> dict[str, bytes]:
    requests: dict[str, bytes] = {}
    cursor = b""
    while True:
        page = store.replica.requests(cursor, 3)
        requests.update((kept.request_id, kept.result) for kept in page.requests)
        if not page.cursor:
            return requests
        cursor = page.cursor


def verify_payload(store: ReplicableStorage, key: RowKey) -> None:
    version = store.objects.get(key.id, key.version)
    data = b"".join(store.payloads.read(version, 0, version.object_size_bytes, 1 << 20))
    assert digest(data) == version.data_sha256


def fill(store: StoreHarness) -> None:
    """Some of everything."""
    for n in range(4):
        store.storage.records.write(
            [task(f"t{n}-{i}", f"m{n}-{i}", workflow_id=f"w{n}", n=i, text="x" * 100) for i in range(50)]
        )
    store.storage.records.write([record(Collection.WORKFLOWS, f"w{n}", name="run") for n in range(4)])
    store.storage.records.write([record(Collection.AGENTS, "a1", workflow_id="w0")])
    store.storage.records.write([task("t0-1", state=1), task("t0-2", state=2)])
    for n in range(3):
        store.save("kept", os.urandom(1000 + n), request_id=f"kept-{n}", workflow_id="w1", tags=("a", "b"))
        store.save("overwritten", os.urandom(LARGE + n), control_version=False, request_id=f"over-{n}")
        store.save("in-document", os.urandom(2000 + n), in_object=True)
    store.update("kept", request_id="kept-update", custom_metadata={"x": {"y": [1, None]}})
    store.save("empty", b"")
    staging = store.upload(os.urandom(LARGE), "u1", "large")
    del staging
    store.storage.payloads.discard("u1")
    store.storage.records.delete("workflow_id", "w3")
    store.save("deleted", b"gone", control_version=False)
    store.storage.objects.delete("deleted", Precondition(), store.clock())
    store.storage.events.acknowledge("reader", 17)
    store.storage.events.acknowledge("other", 3)
