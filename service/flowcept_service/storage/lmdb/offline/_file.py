"""The file of one environment, opened without the server's machinery: read beside a running server, or repaired."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import lmdb

from flowcept.errors import NotFoundError, PreconditionError, Reason
from flowcept_service.storage.lmdb._environment.environment import (
    DATA_FILE,
    LMDB_FORMAT,
    MAX_TABLES,
    META,
    SCHEMA_KEY,
    Table,
    check_stamp,
)
from flowcept_service.storage.lmdb._environment.errors import translate
from flowcept_service.storage.lmdb._environment.extent import check_extent
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._tables import TABLES

if TYPE_CHECKING:
    from flowcept_service.storage.lmdb._environment.environment import BufferTransaction, ReadTransaction

LOCK_FILE: Final = "lock.mdb"
_ROOM_BYTES: Final = 1 << 30
"""Address space beyond the file, which may grow meanwhile."""


class StoreFile:
    """One environment of a store, with its tables.

    Args:
        directory: The data directory.
        role: Which environment.
        writable: Whether it is to be changed; only who holds the data directory may.

    Raises:
        NotFoundError: OBJECT_NOT_FOUND, when there is no such file.
        PreconditionError: STORAGE_INCOMPATIBLE, when this version cannot read it; CutOffError.
        UnavailableError: STORAGE_UNAVAILABLE, when it cannot be opened.
    """

    def __init__(self, directory: Path, role: str, *, writable: bool = False) -> None:
        self.role = role
        self.directory = directory / role
        self.path = self.directory / DATA_FILE
        if not self.path.is_file():
            raise NotFoundError(
                f"there is no store in {directory}: {self.path} is missing; give the data directory of a service, or a "
                "backup of one",
                reason=Reason.OBJECT_NOT_FOUND,
                directory=directory,
            )
        check_extent(self.path)
        with self.translated():
            self._env = lmdb.open(
                str(self.directory),
                create=False,
                readonly=not writable,
                # A backup has no lock file, needs none, and may lie where nothing can be written.
                lock=writable or (self.directory / LOCK_FILE).exists(),
                max_dbs=MAX_TABLES,
                map_size=2 * self.path.stat().st_size + _ROOM_BYTES,
                readahead=False,
                lib_version=LMDB_FORMAT,
            )
            try:
                self.meta = self._open_table(META)
                with self._env.begin() as txn:
                    check_stamp(txn.get(SCHEMA_KEY, db=self.meta), role, self.directory)
                self._tables = {name: self._open_table(name) for name in TABLES[role]}
            except BaseException:
                self._env.close()
                raise

    def _open_table(self, name: str) -> Table:
        try:
            return self._env.open_db(name.encode(), create=False)
        except lmdb.NotFoundError as error:
            raise PreconditionError(
                f"{self.path} has no table {name}: it is damaged, or no store of this version; restore a backup",
                reason=Reason.STORAGE_INCOMPATIBLE,
                directory=self.directory,
            ) from error

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Inside, LMDB's errors become ours."""
        try:
            yield
        except lmdb.Error as error:
            raise translate(error, self.directory) from error

    def table(self, name: str) -> Table:
        """The handle of a table."""
        return self._tables[name]

    @property
    def tables(self) -> dict[str, Table]:
        """All tables by name, with that of single values."""
        return {**self._tables, META: self.meta}

    def begin(self) -> ReadTransaction:
        """A read transaction: one consistent state, until it is aborted."""
        return self._env.begin()

    def begin_buffers(self) -> BufferTransaction:
        """Likewise, with keys and values as views of the map: they must not be used after the transaction."""
        return self._env.begin(buffers=True)

    @contextmanager
    def writing(self) -> Iterator[WriteTransaction]:
        """A write transaction, committed at the end."""
        with self.translated(), self._env.begin(write=True) as txn:
            yield WriteTransaction(txn)

    def last_transaction(self) -> int:
        """The number of the last commit."""
        return self._env.info()["last_txnid"]

    def page_size(self) -> int:
        """Bytes in a page."""
        return self._env.stat()["psize"]

    def last_page(self) -> int:
        """The number of the last page that is in use, or was."""
        return self._env.info()["last_pgno"]

    def unknown_tables(self) -> list[str]:
        """Names of tables that this version does not know."""
        with self._env.begin() as txn, txn.cursor() as cursor:
            names = {key.decode("utf-8", "replace") for key in cursor.iternext(values=False)}
        return sorted(names - self.tables.keys())

    def close(self) -> None:
        """Close the file; transactions must have ended."""
        self._env.close()
