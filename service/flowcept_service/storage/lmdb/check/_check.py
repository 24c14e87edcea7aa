"""The whole check: every table against what it follows from, and every byte against its digest."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Final

import lmdb
from bson.errors import InvalidId

from flowcept.errors import CancelledError
from flowcept_service.domain.records import Collection, Document
from flowcept_service.storage.lmdb._environment.directory import DirectoryLock, ReadersLock, check_restored
from flowcept_service.storage.lmdb._replica import STATE_KEY
from flowcept_service.storage.lmdb.check._bytes import ByteCheck
from flowcept_service.storage.lmdb.check._collections import CollectionCheck
from flowcept_service.storage.lmdb.check._finding import Finding, Kind
from flowcept_service.storage.lmdb.check._history import HistoryCheck
from flowcept_service.storage.lmdb.check._log import BlockProblem, LogCheck
from flowcept_service.storage.lmdb.check._references import ReferenceCheck, Tally
from flowcept_service.storage.lmdb.check._requests import check_requests
from flowcept_service.storage.lmdb.offline import Snapshot

_DAMAGED: Final = (lmdb.Error, struct.error, IndexError, InvalidId)
"""What reading rows raises whose keys or values have a form that nobody gives them."""
_REPAIRED_AT_ONCE: Final = 500
"""Repairs in one transaction."""


@dataclass(slots=True)
class Checked:
    """How much was looked at, so far."""

    stage: str = "opening"
    documents: dict[str, int] = field(default_factory=lambda: dict.fromkeys((one.value for one in Collection), 0))
    payloads: int = 0
    payload_bytes: int = 0
    total_bytes: int = 0
    """Of payloads, once documents were counted."""
    events: int = 0
    staged_uploads: int = 0
    staged_bytes: int = 0


class StoreCheck:
    """One check of a store. What it looks at is the state of one moment, beside a running server too.

    Args:
        directory: The data directory, or a backup in the form of one.
        problem_of: Decodes a block of events.
        is_complete: Whether the state that a copy of another store keeps says that the copy is complete.
        repair: Put right what can be; no server may run.

    Raises:
        NotFoundError: OBJECT_NOT_FOUND, when there is no store.
        PreconditionError: STORAGE_IN_USE, with ``repair`` and a running server; STORAGE_INCOMPATIBLE.
        UnavailableError: STORAGE_UNAVAILABLE, when it cannot be read.
    """

    def __init__(
        self,
        directory: Path,
        *,
        problem_of: BlockProblem,
        is_complete: Callable[[bytes], bool],
        repair: bool,
    ) -> None:
        self.checked = Checked()
        self._problem_of = problem_of
        self._repair = repair
        self._stopping = Event()
        with ExitStack() as opened:
            opened.callback(ReadersLock(directory, alone=repair).release)
            check_restored(directory)
            if repair:
                Snapshot(directory).close()  # before the other lock, which makes a directory that is none
                opened.callback(DirectoryLock(directory).release)
            self._snapshot = Snapshot(directory, writable=repair)
            opened.callback(self._snapshot.close)
            state = self._snapshot.records.get(STATE_KEY, db=self._snapshot.record_file.meta)
            self._copying = state is not None and not is_complete(state)
            self._opened = opened.pop_all()

    def stop(self) -> None:
        """End soon."""
        self._stopping.set()

    def close(self) -> None:
        """Let others use the store again."""
        self._opened.close()

    def run(self) -> Iterator[Finding]:
        """What is wrong, with what was repaired.

        Raises:
            CancelledError: After ``stop``.
        """
        if not self._repair:
            yield from self._find()
            return
        waiting: list[Finding] = []
        for finding in self._find():
            waiting.append(finding)
            if len(waiting) == _REPAIRED_AT_ONCE:
                yield from self._repaired(waiting)
                waiting = []
        yield from self._repaired(waiting)

    def _repaired(self, findings: list[Finding]) -> Iterator[Finding]:
        for file in self._snapshot.files:
            pending = [one.fix for one in findings if one.fix is not None and one.fix.role == file.role]
            while pending:
                with file.writing() as txn:
                    pending = [fix for fix in pending if fix.apply(txn)]
        for finding in findings:
            yield finding if finding.fix is None else replace(finding, repaired=True)

    def _find(self) -> Iterator[Finding]:
        try:
            yield from self._find_readable()
        except _DAMAGED as error:
            problem = f"the database is damaged ({error}); restore a backup"
            yield Finding(Kind.DATABASE_UNREADABLE, self.checked.stage, str(self._snapshot.directory), problem)

    def _find_readable(self) -> Iterator[Finding]:
        checked, snapshot = self.checked, self._snapshot
        tally, history = Tally(), HistoryCheck(snapshot)
        remember = {Collection.OBJECTS: history.visit_latest, Collection.OBJECT_HISTORY: history.visit_earlier}
        for collection in Collection:
            checked.stage = collection.value

            def visit(key: bytes, document: Document, collection: Collection = collection) -> None:
                self._go_on()
                checked.documents[collection.value] += 1
                if collection in remember:
                    remember[collection](key, document)
                    tally.add(key, document)

            yield from CollectionCheck(snapshot, collection, visit).run()
        if not self._copying:
            # A copy under way has versions of different moments.
            checked.stage = "history"
            yield from history.run()
        checked.stage = "events"
        log = LogCheck(snapshot, self._problem_of)
        yield from log.run()
        checked.events = log.events
        checked.stage = "requests"
        yield from check_requests(snapshot)
        checked.stage = "payloads"
        checked.payloads = len(tally.packed)
        checked.total_bytes = sum(map(tally.size, tally.packed))
        payloads = ByteCheck(snapshot, tally, self._advance)
        yield from payloads.run()
        checked.staged_uploads, checked.staged_bytes = payloads.staged_uploads, payloads.staged_bytes
        checked.stage = "references"
        yield from ReferenceCheck(snapshot, tally, payloads.bad).run()

    def _advance(self, size: int) -> None:
        self._go_on()
        self.checked.payload_bytes += size

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise CancelledError("the check was interrupted")
