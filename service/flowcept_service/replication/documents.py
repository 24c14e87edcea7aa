"""Copying the documents of all collections, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flowcept_service.domain.records import RECORD_KINDS, Collection
from flowcept_service.domain.replication import ReplicaBatch, RowChange, StoredRow
from flowcept_service.replication.payloads import PayloadCopier
from flowcept_service.replication.progress import Meter
from flowcept_service.replication.state import CopyProgress, ReplicaState, Stage
from flowcept_service.storage.replica import ReplicableStorage

PAGE_BYTES: Final = 1 << 20
"""Documents in one transaction, about."""
_COLLECTIONS: Final = tuple(Collection)


class DocumentCopier:
    """Makes the documents of a replica those of its source.

    Documents that change meanwhile are seen as they are then: the events since the copy began are applied afterwards.

    Args:
        source: The original.
        target: The replica.
        payloads: Brings the bytes of versions.
        meter: Counts.
    """

    def __init__(
        self, source: ReplicableStorage, target: ReplicableStorage, payloads: PayloadCopier, meter: Meter
    ) -> None:
        self._source = source
        self._target = target
        self._payloads = payloads
        self._meter = meter

    def first(self, copying: CopyProgress) -> CopyProgress:
        """The first step of copying documents."""
        return replace(copying, stage=Stage.COPY, collection=_COLLECTIONS[0], cursor=b"")

    def step(self, state: ReplicaState, copying: CopyProgress) -> ReplicaState:
        """Copy or prune one page; the state after it."""
        collection = _COLLECTIONS[0] if copying.collection is None else copying.collection
        if copying.stage is Stage.PRUNE:
            return self._prune(state, copying, collection)
        page = self._source.replica.rows(collection, copying.cursor, PAGE_BYTES)
        after = replace(state, copying=_next(copying, collection, page.cursor))
        if collection in RECORD_KINDS:
            different = self._different(page.rows)
            changes = [RowChange(row.key, row.data) for row in different]
            self._target.replica.apply(ReplicaBatch(after.encode(), rows=changes))
        else:
            different = self._different([self._payloads.as_held(row) for row in page.rows])
            self._copy_versions(state, after, different)
        self._meter.saw(collection, len(page.rows), page.skipped)
        self._meter.applied(rows=len(different))
        return after

    def _copy_versions(self, state: ReplicaState, after: ReplicaState, rows: list[StoredRow]) -> None:
        groups = list(self._payloads.groups(rows))
        for number, group in enumerate(groups, 1):
            with self._payloads.brought(group) as changes:
                reached = after if number == len(groups) else state
                self._target.replica.apply(ReplicaBatch(reached.encode(), rows=changes))

    def _different(self, rows: Sequence[StoredRow]) -> list[StoredRow]:
        """The documents that the replica does not have as they are."""
        known = self._target.replica.stored([row.key for row in rows])
        return [row for row, data in zip(rows, known, strict=True) if row.data != data]

    def _prune(self, state: ReplicaState, copying: CopyProgress, collection: Collection) -> ReplicaState:
        page = self._target.replica.rows(collection, copying.cursor, PAGE_BYTES)
        keys = [row.key for row in page.rows]
        wanted = self._source.replica.stored(keys)
        gone = [RowChange(key, None) for key, data in zip(keys, wanted, strict=True) if data is None]
        after = replace(state, copying=_next(copying, collection, page.cursor))
        self._target.replica.apply(ReplicaBatch(after.encode(), rows=gone))
        self._meter.applied(rows=len(gone))
        return after


def _next(copying: CopyProgress, collection: Collection, cursor: bytes) -> CopyProgress:
    """What comes behind a page."""
    if cursor:
        return replace(copying, cursor=cursor)
    place = _COLLECTIONS.index(collection) + 1
    if place < len(_COLLECTIONS):
        return replace(copying, collection=_COLLECTIONS[place], cursor=b"")
    if copying.stage is Stage.COPY and copying.prune:
        return replace(copying, stage=Stage.PRUNE, collection=_COLLECTIONS[0], cursor=b"")
    return replace(copying, stage=Stage.REQUESTS, collection=None, cursor=b"")
