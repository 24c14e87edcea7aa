"""One LMDB environment: opened, checked, read, grown and closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import bson
import lmdb
from lmdb import _Database

from flowcept.errors import PreconditionError, Reason
from flowcept_service.domain.store_state import DatabaseSize
from flowcept_service.storage.lmdb._environment.errors import storage_closed, translate
from flowcept_service.storage.lmdb._environment.extent import check_extent
from flowcept_service.storage.lmdb._environment.gate import Gate
from flowcept_service.storage.lmdb._environment.pages import drop_file_pages
from flowcept_service.storage.lmdb._environment.settings import LmdbSettings

Table = _Database
"""The handle of a table; the library gives its type no public name."""

if TYPE_CHECKING:
    ReadTransaction = lmdb.Transaction[bytes]
    BufferTransaction = lmdb.Transaction[memoryview]

SCHEMA_VERSION = 1
"""Rises with every change to what the files hold that an older version could not read."""
MAX_TABLES = 64
LMDB_FORMAT = 0
"""The file format of LMDB 0.9, which every LMDB tool reads; the library brings a second one that is incompatible."""
META = "meta"
DATA_FILE = "data.mdb"
"""The name that LMDB gives the file."""
SCHEMA_KEY = b"schema"


@dataclass(frozen=True, slots=True)
class TableKind:
    """How a table is laid out."""

    sorted_duplicates: bool = False
    """Whether a key has many values, in order."""
    fixed_values: bool = False
    """Whether all these values have one size, which saves space."""


def stamp_of(role: str) -> dict[str, object]:
    """What is stamped into a file of this version."""
    return {"format": "flowcept", "role": role, "version": SCHEMA_VERSION}


def check_stamp(data: bytes | None, role: str, directory: Path) -> None:
    """Refuse a file that this version did not write.

    Args:
        data: The stamp as it is stored, or None.
        role: What the file is to hold.
        directory: Where it is.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE.
    """
    found = {} if data is None else bson.decode(data)
    if found != stamp_of(role):
        raise PreconditionError(
            f"{directory} was written with storage schema {found.get('version')} for {found.get('role')}, and "
            f"this version needs {SCHEMA_VERSION} for {role}; use the one that wrote it, or another data directory",
            reason=Reason.STORAGE_INCOMPATIBLE,
            directory=directory,
            found_version=found.get("version"),
            needed_version=SCHEMA_VERSION,
        )


class Environment:
    """The file of one LMDB database, its tables, and its read transactions.

    Args:
        directory: Where the file is.
        role: What the file holds; stamped into it.
        tables: The tables to open, made when missing.
        settings: Sizes.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE, when the file was not written by this version, is damaged or cut off.
        UnavailableError: STORAGE_UNAVAILABLE, when it cannot be opened.
    """

    def __init__(self, directory: Path, role: str, tables: Mapping[str, TableKind], settings: LmdbSettings) -> None:
        self.directory = directory
        self._file = (directory / DATA_FILE).resolve()
        self.role = role
        self._gate = Gate(lambda: storage_closed(directory))
        check_extent(self._file)
        try:
            self._env = self._open(settings)
            try:
                with self._env.begin(write=True) as txn:
                    self._tables = {name: self._open_table(txn, name, kind) for name, kind in tables.items()}
                    self._meta = self._open_table(txn, META, TableKind())
                    self._check_schema(txn, role)
                self._env.reader_check()
            except BaseException:
                self._env.close()
                raise
        except lmdb.Error as error:
            raise translate(error, directory) from error

    def _open(self, settings: LmdbSettings) -> lmdb.Environment:
        return lmdb.open(
            str(self.directory),
            map_size=settings.map_size,
            max_dbs=MAX_TABLES,
            max_readers=settings.max_readers,
            # Transactions read a few pages here and there; reading ahead would evict what others need.
            readahead=False,
            # A stray write through the map must not be able to damage the file.
            writemap=False,
            lib_version=LMDB_FORMAT,
        )

    def _open_table(self, txn: ReadTransaction, name: str, kind: TableKind) -> Table:
        return self._env.open_db(name.encode(), txn, dupsort=kind.sorted_duplicates, dupfixed=kind.fixed_values)

    def _check_schema(self, txn: ReadTransaction, role: str) -> None:
        data = txn.get(SCHEMA_KEY, db=self._meta)
        if data is None and not any(txn.stat(table)["entries"] for table in self._tables.values()):
            txn.put(SCHEMA_KEY, bson.encode(stamp_of(role)), db=self._meta)
            return
        check_stamp(data, role, self.directory)

    def table(self, name: str) -> Table:
        """The handle of a table."""
        return self._tables[name]

    @property
    def meta(self) -> Table:
        """The table of single values: the schema stamp and counters."""
        return self._meta

    @contextmanager
    def read(self) -> Iterator[ReadTransaction]:
        """A read transaction: one consistent state. Keep it short, for it holds back the reuse of pages.

        Raises:
            UnavailableError: STORAGE_UNAVAILABLE, after ``close``.
        """
        self._gate.enter()
        try:
            with self._env.begin() as txn:
                yield txn
        except lmdb.Error as error:
            raise translate(error, self.directory) from error
        finally:
            self._gate.leave()

    @contextmanager
    def read_buffers(self) -> Iterator[BufferTransaction]:
        """Like ``read``, with values as views of the map: they must not be used after the transaction."""
        self._gate.enter()
        try:
            with self._env.begin(buffers=True) as txn:
                yield txn
        except lmdb.Error as error:
            raise translate(error, self.directory) from error
        finally:
            self._gate.leave()

    def size(self) -> DatabaseSize:
        """What the file holds and takes; it never shrinks, and deletions free pages inside of it."""
        with self.read() as txn:
            info, main = self._env.info(), self._env.stat()
            tables = [txn.stat(table) for table in (*self._tables.values(), self._meta)]
        used = sum(one["branch_pages"] + one["leaf_pages"] + one["overflow_pages"] for one in (main, *tables))
        return DatabaseSize(self.role, used * main["psize"], (info["last_pgno"] + 1) * main["psize"])

    def reusable_bytes(self) -> int:
        """About how much can be written into pages of the file that deletions have freed."""
        size = self.size()
        return max(0, size.file_bytes - size.used_bytes)

    def forget_dead_readers(self) -> None:
        """Let pages be used again that a killed process (a backup, say) was reading."""
        with self.read():
            self._env.reader_check()

    def drop_pages(self) -> None:
        """Give back what reading and writing has mapped; see ``_pages``."""
        # As a reader, so that the map stays where it is.
        self._gate.enter()
        try:
            drop_file_pages(self._file)
        finally:
            self._gate.leave()

    def begin_write(self) -> ReadTransaction:
        """A write transaction; only the writer's thread asks for one."""
        return self._env.begin(write=True)

    def grow(self) -> None:
        """Double the map; only the writer's thread calls this, without an open transaction."""
        with self._gate.alone():
            self._env.set_mapsize(self._env.info()["map_size"] * 2)

    def close(self) -> None:
        """Wait for the readers, then close the file. Calling it again does nothing."""
        with self._gate.alone(closing=True):
            self._env.close()
