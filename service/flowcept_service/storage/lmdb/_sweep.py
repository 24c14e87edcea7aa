"""Removes what has expired, in short transactions, so that no caller waits long."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Final

from bson import ObjectId

from flowcept_service.domain.retention import Retention, SweepResult
from flowcept_service.storage.lmdb._environment.writer import GroupWriter
from flowcept_service.storage.lmdb._log.writer import EventLogWriter
from flowcept_service.storage.lmdb._payloads.references import PayloadReferences
from flowcept_service.storage.lmdb._payloads.role import LmdbPayloadStore
from flowcept_service.storage.lmdb._requests import Requests

ROWS_AT_ONCE: Final = 500


class Sweeper:
    """Sweeps a store.

    Args:
        writer: Of the environment of the versions.
        log: The event log.
        payloads: The bytes.
        references: Which of them are referred to.
        requests: Results kept for repeats.
    """

    def __init__(
        self,
        writer: GroupWriter,
        log: EventLogWriter,
        payloads: LmdbPayloadStore,
        references: PayloadReferences,
        requests: Requests,
    ) -> None:
        self._writer = writer
        self._log = log
        self._payloads = payloads
        self._references = references
        self._requests = requests

    def sweep(self, retention: Retention, now: datetime) -> SweepResult:
        """See ``Storage.sweep``."""
        uploads = self._sweep_uploads(now - timedelta(seconds=retention.staged_seconds))
        garbage, garbage_bytes = self._sweep_garbage()
        orphans, orphan_bytes = self._sweep_orphans(now - timedelta(seconds=retention.unreferenced_seconds))
        return SweepResult(
            uploads=uploads,
            payloads=garbage + orphans,
            payload_bytes=garbage_bytes + orphan_bytes,
            events=self._sweep_events(now - timedelta(seconds=retention.events_seconds), retention.events_bytes),
            requests=self._sweep_requests(now - timedelta(seconds=retention.requests_seconds)),
        )

    def _sweep_uploads(self, before: datetime) -> int:
        expired = [staging for staging in self._payloads.stagings.all() if staging.updated_at < before]
        return sum(self._payloads.expire(staging.upload_id, before) for staging in expired)

    def _sweep_garbage(self) -> tuple[int, int]:
        count = size = 0
        after: ObjectId | None = None
        while batch := self._references.garbage(after, ROWS_AT_ONCE):
            after = batch[-1]
            removed, removed_bytes = self._payloads.remove(batch)
            self._writer.submit(partial(self._references.forget, payload_ids=removed))
            count += len(removed)
            size += removed_bytes
        return count, size

    def _sweep_orphans(self, before: datetime) -> tuple[int, int]:
        """Bytes that were written and never committed, or whose upload was forgotten before they were removed."""
        staged = {staging.payload_id for staging in self._payloads.stagings.all()}
        candidates = (
            payload_id
            for payload_id in self._payloads.chunks.payloads()
            if payload_id not in staged and payload_id.generation_time < before
        )
        count = size = 0
        while batch := list(islice(candidates, ROWS_AT_ONCE)):
            removed, removed_bytes = self._payloads.remove(batch)
            count += len(removed)
            size += removed_bytes
        return count, size

    def _sweep_requests(self, before: datetime) -> int:
        total = 0
        while count := self._writer.submit(lambda txn: self._requests.expire(txn, before, ROWS_AT_ONCE)):
            total += count
        return total

    def _sweep_events(self, before: datetime, max_bytes: int) -> int:
        total = 0
        while count := self._writer.submit(lambda txn: self._log.trim(txn, before, max_bytes)):
            total += count
        return total
