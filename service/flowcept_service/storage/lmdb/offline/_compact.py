"""Compaction of a store that no server uses: each file is written anew without its free pages, then replaced.

What a file holds does not change, so one new file beside an old one is the same store: killed at any moment, either the
old or the new file is there. LMDB's own compacting copy is not used: it crashes on the tables that indexes need.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

import lmdb

from flowcept.errors import CancelledError, IntegrityError, PreconditionError, Reason
from flowcept_service.storage.lmdb._environment.directory import COMPACTING, DirectoryLock, ReadersLock, check_restored
from flowcept_service.storage.lmdb._environment.environment import DATA_FILE, LMDB_FORMAT, MAX_TABLES, META, TableKind
from flowcept_service.storage.lmdb._tables import PAYLOADS, RECORDS, TABLES
from flowcept_service.storage.lmdb.offline._file import LOCK_FILE, StoreFile
from flowcept_service.storage.lmdb.offline._writing import check_room, flush_directory, remove_files, translated

if TYPE_CHECKING:
    from flowcept_service.storage.lmdb._environment.environment import BufferTransaction, Table

_BATCH_BYTES: Final = 16 << 20
_BATCH_ROWS: Final = 10_000
_ROOM_BYTES: Final = 1 << 30
_DRAFTS: Final = tuple(f"{role}/{name}" for role in (RECORDS, PAYLOADS) for name in (DATA_FILE, LOCK_FILE))

Row = tuple[memoryview, memoryview]


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of one file."""

    name: str
    before_bytes: int
    after_bytes: int


class Compaction:
    """One compaction; nobody else uses the store until ``close``.

    Args:
        directory: The data directory.

    Raises:
        NotFoundError: OBJECT_NOT_FOUND, when there is no store.
        PreconditionError: STORAGE_IN_USE, by a server, a backup or a check; STORAGE_INCOMPATIBLE.
    """

    def __init__(self, directory: Path) -> None:
        self.done_bytes = 0
        """Bytes written so far."""
        self.total_bytes = 0
        """Bytes to write; about."""
        self._directory = directory
        self._draft = directory / COMPACTING
        self._stopping = Event()
        with ExitStack() as opened:
            # First, because the other lock makes a directory that is missing.
            opened.callback(ReadersLock(directory, alone=True).release)
            for role in TABLES:
                StoreFile(directory, role).close()
            opened.callback(DirectoryLock(directory).release)
            check_restored(directory)
            self._opened = opened.pop_all()

    def stop(self) -> None:
        """End soon; files that were not replaced stay as they are."""
        self._stopping.set()

    def close(self) -> None:
        """Let others use the store again."""
        self._opened.close()

    def run(self) -> list[Compacted]:
        """Compact; sizes by file.

        Raises:
            ResourceExhaustedError: STORAGE_FULL; the store is as it was.
            CancelledError: After ``stop``.
            IntegrityError: A file cannot be read to its end; it is as it was.
        """
        with translated(self._directory):
            remove_files(self._draft, _DRAFTS)
            try:
                used = {role: self._used(role) for role in TABLES}
                self.total_bytes = sum(used.values())
                return [self._compact(role, used[role]) for role in TABLES]
            finally:
                remove_files(self._draft, _DRAFTS)

    def _used(self, role: str) -> int:
        """Bytes of the pages that are in use."""
        file = StoreFile(self._directory, role)
        try:
            unknown = file.unknown_tables()
            if unknown:
                raise PreconditionError(
                    f"{file.path} holds tables that this version does not know ({', '.join(unknown)}) and would drop; "
                    "compact it with the version that wrote it",
                    reason=Reason.STORAGE_INCOMPATIBLE,
                    directory=self._directory,
                )
            txn = file.begin_buffers()
            try:
                stats = [txn.stat(table) for table in file.tables.values()]
            finally:
                txn.abort()
            pages = sum(one["branch_pages"] + one["leaf_pages"] + one["overflow_pages"] for one in stats)
            return pages * file.page_size()
        finally:
            file.close()

    def _compact(self, role: str, used: int) -> Compacted:
        check_room(self._directory, used)
        source = StoreFile(self._directory, role)
        try:
            before = source.path.stat().st_size
            draft = self._draft / role
            draft.mkdir(parents=True)
            with source.translated():
                counts = self._copy(source, draft, 2 * before + _ROOM_BYTES)
            self._verify(source, counts)
        finally:
            source.close()
        (draft / LOCK_FILE).unlink(missing_ok=True)
        flush_directory(draft)
        (draft / DATA_FILE).replace(source.path)
        flush_directory(source.directory)
        return Compacted(role, before, source.path.stat().st_size)

    def _copy(self, source: StoreFile, draft: Path, map_size: int) -> dict[str, int]:
        kinds = {**TABLES[source.role], META: TableKind()}
        target = lmdb.open(
            str(draft), map_size=map_size, max_dbs=MAX_TABLES, sync=False, readahead=False, lib_version=LMDB_FORMAT
        )
        txn = source.begin_buffers()
        try:
            for name, table in source.tables.items():
                kind = kinds[name]
                copy = target.open_db(name.encode(), dupsort=kind.sorted_duplicates, dupfixed=kind.fixed_values)
                for rows in _batches(txn, table):
                    if self._stopping.is_set():
                        raise CancelledError("the compaction was interrupted; run it again to go on")
                    with target.begin(write=True) as write, write.cursor(copy) as cursor:
                        # Rows come in order; those of one key too, for which LMDB has another flag.
                        cursor.putmulti(rows, append=not kind.sorted_duplicates)
                    self.done_bytes += sum(len(key) + len(value) for key, value in rows)
            target.sync(True)
            with target.begin() as read:
                names = {name: target.open_db(name.encode(), read, create=False) for name in kinds}
                return {name: int(read.stat(table)["entries"]) for name, table in names.items()}
        finally:
            txn.abort()
            target.close()

    def _verify(self, source: StoreFile, counts: dict[str, int]) -> None:
        txn = source.begin()
        try:
            wanted = {name: int(txn.stat(table)["entries"]) for name, table in source.tables.items()}
        finally:
            txn.abort()
        if counts != wanted:
            raise IntegrityError(
                f"{source.path} was not copied completely: it is damaged. Run `flowcept-service check`",
                path=source.path,
            )


def _batches(txn: BufferTransaction, table: Table) -> Iterator[list[Row]]:
    rows: list[Row] = []
    size = 0
    with txn.cursor(table) as cursor:
        for key, value in cursor:
            rows.append((key, value))
            size += len(key) + len(value)
            if size >= _BATCH_BYTES or len(rows) >= _BATCH_ROWS:
                yield rows
                rows, size = [], 0
    if rows:
        yield rows
