"""The clients of a soak: each remembers what was acknowledged to it, and goes on through every outage."""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

from flowcept.v1.blob_store_service_pb2 import DeleteObjectRequest, DownloadRequest, ObjectFields, UpdateObjectRequest
from flowcept.v1.provenance_service_pb2 import AcknowledgeRequest, SubscribeRequest
from tests.support.blobs import KIB, MIB, Blobs, chunks, failure_of, header, pattern, sha256
from tests.support.load import RETRYABLE, reconnecting, resume
from tests.support.provenance import DEADLINE, find

SIZES = (KIB, 100 * KIB, 300 * KIB, 2 * MIB, 8 * MIB)
"""Beside the version, beside it, and in one, three and nine values of their own."""
_PAUSE = 0.02
CONSUMER = "soak"


@dataclass
class Tally:
    """What the clients have done."""

    changes: int = 0
    """Acknowledged commits of objects, each of which is one event."""
    uploaded_bytes: int = 0
    downloads: int = 0
    downloaded_bytes: int = 0
    queries: int = 0
    abandoned: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **counts: int) -> None:
        with self.lock:
            for name, count in counts.items():
                setattr(self, name, getattr(self, name) + count)

    def has_everything(self) -> bool:
        """Whether each thing was done at least once."""
        return all(self.counts().values())

    def counts(self) -> dict[str, int]:
        return {name: value for name, value in vars(self).items() if name != "lock"}


def until_done(call: Callable[[], Any]) -> Any:
    """Repeat a call that is safe to repeat until the service is there."""
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if failure_of(error).code not in RETRYABLE:
                raise
            time.sleep(_PAUSE)


@dataclass
class Writer:
    """Writes two objects of its own: one with a history, one that is overwritten and deleted; and abandons uploads."""

    target: str
    number: int
    stop: threading.Event
    tally: Tally
    digests: list[str] = field(default_factory=list)
    """Of the versions of the object with a history."""
    latest: str | None = None
    """Digest of the object without one; None: deleted."""

    @property
    def kept(self) -> str:
        return f"kept-{self.number}"

    @property
    def plain(self) -> str:
        return f"plain-{self.number}"

    def run(self) -> None:
        with grpc.insecure_channel(self.target) as channel:
            blobs = Blobs(channel)
            for step in itertools.count():
                self._keep(blobs, step)
                self._overwrite(blobs, step)
                if step % 5 == 4:
                    self._abandon(blobs, step)
                if self.stop.wait(_PAUSE):
                    return

    def _keep(self, blobs: Blobs, step: int) -> None:
        if step % 3 == 2:
            change = UpdateObjectRequest(
                object_id=self.kept,
                fields=ObjectFields(tags={"values": [f"step {step}"]}),
                control_version=True,
                request_id=f"update-{self.number}-{step}",
            )
            until_done(lambda: blobs.stub.UpdateObject(change, timeout=DEADLINE))
            self.digests.append(self.digests[-1])
            self.tally.add(changes=1)
            return
        # Every version stays, so most of them are small.
        data = pattern(SIZES[step % 5] if step % 40 < 5 else KIB + step, seed=1000 * self.number + step)
        resume(blobs, data, f"kept-{self.number}-{step}", self.kept)
        self.digests.append(sha256(data))
        self.tally.add(changes=1, uploaded_bytes=len(data))

    def _overwrite(self, blobs: Blobs, step: int) -> None:
        data = pattern(SIZES[step % 5] + step, seed=step)
        resume(blobs, data, f"plain-{self.number}-{step}", self.plain, control_version=False)
        self.latest = sha256(data)
        self.tally.add(changes=1, uploaded_bytes=len(data))
        if step % 7 == 6:
            self._delete(blobs)

    def _delete(self, blobs: Blobs) -> None:
        """Repeated after an outage, it finds nothing left to delete: then the first one was carried out."""
        try:
            until_done(lambda: blobs.stub.DeleteObject(DeleteObjectRequest(object_id=self.plain), timeout=DEADLINE))
        except grpc.RpcError as error:
            if failure_of(error).reason != "OBJECT_NOT_FOUND":
                raise
        self.latest = None
        self.tally.add(changes=1)

    def _abandon(self, blobs: Blobs, step: int) -> None:
        data = pattern(3 * MIB, seed=step)
        try:
            blobs.upload([header(f"abandoned-{self.number}-{step}", "never"), *chunks(data)])
        except grpc.RpcError as error:
            failure = failure_of(error)
            assert failure.code in RETRYABLE or failure.reason == "UPLOAD_NOT_COMMITTED"
        self.tally.add(abandoned=1)


@dataclass
class Reader:
    """Downloads what the writers have written, and checks each digest; and asks for tasks."""

    target: str
    stop: threading.Event
    tally: Tally
    writers: list[Writer]
    chance: random.Random

    def run(self) -> None:
        with grpc.insecure_channel(self.target) as channel, reconnecting(self.target) as provenance:
            blobs = Blobs(channel)
            for step in itertools.count():
                if self.stop.wait(_PAUSE):
                    return
                writer = self.chance.choice(self.writers)
                if writer.digests:
                    version = self.chance.randrange(len(writer.digests))
                    self._download(blobs, writer.kept, writer.digests[version], version=version)
                self._download(blobs, writer.plain, None)
                if step % 5 == 0:
                    found = until_done(lambda: find(provenance, {"workflow_id": "w"}, limit=50))
                    assert all(document["workflow_id"] == "w" for document in found)
                    self.tally.add(queries=1)

    def _download(self, blobs: Blobs, object_id: str, wanted: str | None, version: int | None = None) -> None:
        """``wanted``: the digest; None where the object may be overwritten and deleted meanwhile."""
        digest = hashlib.sha256()
        size = 0
        told = ""
        try:
            request = DownloadRequest(object_id=object_id, version=version)
            for response in blobs.stub.Download(request, timeout=DEADLINE):
                if response.HasField("object"):
                    told = response.object.data_sha256
                digest.update(response.chunk.data)
                size += len(response.chunk.data)
        except grpc.RpcError as error:
            failure = failure_of(error)
            gone = wanted is None and failure.reason in {"OBJECT_NOT_FOUND", "VERSION_NOT_RETAINED"}
            if failure.code in RETRYABLE or gone:
                return
            raise
        assert digest.hexdigest() == told
        assert wanted in (None, told)
        self.tally.add(downloads=1, downloaded_bytes=size)


@dataclass
class DurableConsumer:
    """Handles events and acknowledges them, so that what it has acknowledged never comes again."""

    target: str
    handled: set[int] = field(default_factory=set)
    acknowledged: int = 0
    repeated: int = 0
    """Events that came again, because they were handled and not acknowledged."""

    def run(self, until: Callable[[], int]) -> None:
        with reconnecting(self.target) as stub:
            while self.acknowledged < until():
                request = SubscribeRequest(
                    consumer=CONSUMER, edge="LOG_EDGE_EARLIEST", heartbeat_interval={"nanos": 200_000_000}
                )
                stream = stub.Subscribe(request, wait_for_ready=True)
                try:
                    for response in stream:
                        self._handle([event.sequence for event in response.events])
                        if response.position > self.acknowledged:
                            position = AcknowledgeRequest(consumer=CONSUMER, sequence=response.position)
                            stub.Acknowledge(position, timeout=DEADLINE)
                            self.acknowledged = response.position
                        if self.acknowledged >= until():
                            break
                except grpc.RpcError as error:
                    if failure_of(error).code not in RETRYABLE:
                        raise
                stream.cancel()

    def _handle(self, sequences: list[int]) -> None:
        assert all(sequence > self.acknowledged for sequence in sequences), "acknowledged events came again"
        self.repeated += sum(sequence in self.handled for sequence in sequences)
        self.handled.update(sequences)
