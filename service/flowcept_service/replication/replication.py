"""A replica on its way: first a copy of what the source holds, then its event log, batch by batch.

Every batch is one transaction of the replica, together with the note of how far it is. Killed at any moment, it goes on
where it stopped; what was applied already is never applied twice with another result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from flowcept.errors import OutOfRangeError, Reason
from flowcept_service.domain.events import EventReader
from flowcept_service.domain.replication import LogBlock, ReplicaBatch, RowChange, StoredRow
from flowcept_service.replication.attach import attach, begin_copy
from flowcept_service.replication.changes import ChangePlanner
from flowcept_service.replication.documents import DocumentCopier
from flowcept_service.replication.payloads import PayloadCopier
from flowcept_service.replication.progress import Meter
from flowcept_service.replication.state import CopyProgress, ReplicaState, Stage
from flowcept_service.storage.replica import ReplicableStorage

BATCH_BYTES: Final = 2 << 20
"""Events in one transaction, about; the documents that they change come on top."""
REQUESTS_AT_ONCE: Final = 500


class Replication:
    """Makes one store the copy of another, step by step. One thread uses it.

    Args:
        source: The original.
        target: The replica.
        reader: Reads the events of the source.
        clock: The time, aware.
        is_stopping: Whether to leave a long step.
        meter: Counts what is done.
        replace_target: Give up what only the target has.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE, when the target holds what the source does not have.
        InvalidArgumentError: Both are the same store.
    """

    def __init__(
        self,
        source: ReplicableStorage,
        target: ReplicableStorage,
        reader: EventReader,
        clock: Callable[[], datetime],
        is_stopping: Callable[[], bool],
        *,
        meter: Meter,
        replace_target: bool = False,
    ) -> None:
        self._source = source
        self._target = target
        self.meter = meter
        self._state = attach(source, target, replace=replace_target)
        self.meter.reached(self._state)
        self._consumers: Mapping[str, int] = target.replica.consumers()
        self._payloads = PayloadCopier(source, target, self.meter, clock, is_stopping)
        self._planner = ChangePlanner(source, target, reader)
        self._documents = DocumentCopier(source, target, self._payloads, self.meter)

    @property
    def state(self) -> ReplicaState:
        """How far the replica is."""
        return self._state

    def close(self) -> None:
        """End the workers; the stores stay open."""
        self._payloads.close()

    def step(self) -> bool:
        """Do the next piece of work; whether there was any.

        Raises:
            FlowceptError: Either store failed; the next call tries again.
            InterruptedCopyError: ``is_stopping``.
        """
        try:
            copying = self._state.copying
            if copying is None:
                return self._follow()
            self._copy(copying)
        except OutOfRangeError as error:
            if error.reason is not Reason.EVENTS_TRIMMED:
                raise
            # The source has forgotten what comes next, so its documents are compared again.
            state = self._state
            self._write(begin_copy(self._source, state.source, state.position, prune=True))
        return True

    def _copy(self, copying: CopyProgress) -> None:
        if copying.stage is Stage.RESET:
            self._reset(copying)
        elif copying.stage in {Stage.COPY, Stage.PRUNE}:
            self._state = self._documents.step(self._state, copying)
            self.meter.reached(self._state)
        elif copying.stage is Stage.REQUESTS:
            self._copy_requests(copying)
        elif copying.stage is Stage.LOG:
            self._copy_log(copying)
        else:
            self._replay(copying)

    def _reset(self, copying: CopyProgress) -> None:
        # Noted first: from now on nobody takes the replica for a complete one.
        self._write(self._state)
        position = min(self._source.events.bounds().oldest - 1, copying.start)
        self._target.replica.reset_log(position)
        self._consumers = {}
        self._write(replace(self._state, position=position, copying=self._documents.first(copying)))

    def _copy_requests(self, copying: CopyProgress) -> None:
        page = self._source.replica.requests(copying.cursor, REQUESTS_AT_ONCE)
        following = (
            replace(copying, cursor=page.cursor) if page.cursor else replace(copying, stage=Stage.LOG, cursor=b"")
        )
        self._write(replace(self._state, copying=following), ReplicaBatch(b"", requests=page.requests))

    def _copy_log(self, copying: CopyProgress) -> None:
        position = self._state.position
        oldest = self._source.events.bounds().oldest
        if position < oldest - 1 <= copying.start:
            # Trimmed while documents were copied; they hold what these events told.
            self._target.replica.reset_log(oldest - 1)
            self._consumers = {}
            self._write(replace(self._state, position=oldest - 1))
            return
        blocks = [] if position == copying.start else self._source.replica.changes(position, BATCH_BYTES)
        blocks = [block for block in blocks if block.events.last <= copying.start]
        if blocks:
            state = replace(self._state, position=blocks[-1].events.last)
            self._write(state, ReplicaBatch(b"", blocks=blocks), events=state.position - position)
        else:
            end = self._source.events.bounds().last
            self._write(replace(self._state, copying=replace(copying, stage=Stage.REPLAY, end=end)))

    def _replay(self, copying: CopyProgress) -> None:
        if self._state.position >= copying.end:
            self._write(replace(self._state, copying=None), self._consumer_batch(self._state.position))
        else:
            self._apply(self._source.replica.changes(self._state.position, BATCH_BYTES))

    def _follow(self) -> bool:
        blocks = self._source.replica.changes(self._state.position, BATCH_BYTES)
        if blocks:
            self._apply(blocks)
            return True
        batch = self._consumer_batch(self._state.position)
        if not (batch.consumers or batch.deleted_consumers):
            return False
        self._write(self._state, batch)
        return True

    def _apply(self, blocks: Sequence[LogBlock]) -> None:
        """Apply blocks with the changes that they tell of."""
        planned = self._planner.plan(blocks)
        position = blocks[-1].events.last
        groups = list(self._payloads.groups([self._payloads.as_held(row) for row in planned.versions]))
        for early in groups[:-1]:
            # Too many bytes for one transaction: these versions come before their events, which then find them there.
            self._bring(self._state, early, ReplicaBatch(b""))
        rows = [*planned.records, *planned.removed]
        batch = replace(self._consumer_batch(position), blocks=blocks, rows=rows)
        self._bring(replace(self._state, position=position), groups[-1], batch)

    def _bring(self, state: ReplicaState, versions: Sequence[StoredRow], batch: ReplicaBatch) -> None:
        with self._payloads.brought(versions) as changes:
            rows: list[RowChange] = [*batch.rows, *changes]
            events = state.position - self._state.position
            self._write(state, replace(batch, rows=rows), events=events)

    def _consumer_batch(self, position: int) -> ReplicaBatch:
        """The consumers that have moved, as far as the replica's log reaches, and those that are no more."""
        known = self._consumers
        reached = {name: min(sequence, position) for name, sequence in self._source.replica.consumers().items()}
        moved = {name: sequence for name, sequence in reached.items() if known.get(name) != sequence}
        return ReplicaBatch(b"", consumers=moved, deleted_consumers=[name for name in known if name not in reached])

    def _write(self, state: ReplicaState, batch: ReplicaBatch | None = None, *, events: int = 0) -> None:
        """Apply a batch, with the state that it leads to."""
        batch = replace(batch or ReplicaBatch(b""), state=state.encode())
        self._target.replica.apply(batch)
        self._state = state
        known = {**self._consumers, **batch.consumers}
        self._consumers = {name: known[name] for name in known.keys() - set(batch.deleted_consumers)}
        self.meter.applied(rows=len(batch.rows), events=events)
        self.meter.reached(state)
