"""One consistent state of a whole store, beside a server that goes on writing.

A store is two environments, and each has read transactions of its own, so both must be begun at one moment. The order
alone does not do it: with the records first, payloads that they refer to may be overwritten and swept before the second
transaction begins; with the payloads first, a version may be committed whose bytes came later. So the records'
transaction begins first, then that of the payloads, and then no commit may have touched the records since; otherwise
both begin anew. Between the two beginnings the records did not change, so the state is that of the moment at which the
second began, and at every moment the bytes of every version are there: they are durable before the commit of the
version, and are removed after the commit that gave them up.

While a snapshot is open, the server cannot use the pages of what is deleted again: the files grow by what is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Final

from flowcept.errors import Reason, UnavailableError
from flowcept_service.storage.lmdb._tables import PAYLOADS, RECORDS
from flowcept_service.storage.lmdb.offline._file import StoreFile

if TYPE_CHECKING:
    from flowcept_service.storage.lmdb._environment.environment import BufferTransaction, ReadTransaction

ATTEMPTS: Final = 10_000
"""Two transactions begin within microseconds, and a commit takes hundreds: more than a few attempts mean a defect."""
PIECE_BYTES: Final = 1 << 20
_METAS: Final = 2
"""The first pages describe the state of the last two commits in turns."""
_PAGE_NUMBER: Final = Struct("=Q")
_LAST_PAGE_AND_TRANSACTION: Final = Struct("=QQ")
_LAST_PAGE_AT: Final = 136
"""Where a description has the last page of its state, and behind that the number of the commit."""


class Snapshot:
    """A store's files as of one moment.

    Args:
        directory: The data directory, or a backup in the form of one.
        writable: Whether the files are to be repaired; only who holds the directory may.

    Raises:
        NotFoundError, PreconditionError, UnavailableError: As ``StoreFile``; UnavailableError also when no moment was
            found at which nothing was committed.
    """

    records: ReadTransaction
    payloads: BufferTransaction

    def __init__(self, directory: Path, *, writable: bool = False) -> None:
        self.directory = directory
        with ExitStack() as opened:
            self.record_file = StoreFile(directory, RECORDS, writable=writable)
            opened.callback(self.record_file.close)
            self.payload_file = StoreFile(directory, PAYLOADS, writable=writable)
            opened.callback(self.payload_file.close)
            with self.record_file.translated():
                self._begin()
            opened.callback(self._end)
            self._opened = opened.pop_all()

    def _begin(self) -> None:
        for _ in range(ATTEMPTS):
            self.records = self.record_file.begin()
            self.payloads = self.payload_file.begin_buffers()
            self._metas = {
                RECORDS: _read_meta(self.record_file, self.records.id()),
                PAYLOADS: _read_meta(self.payload_file, self.payloads.id()),
            }
            # Of the payloads too: a description is overwritten by the commit after the next one.
            if self._is_latest(self.record_file, self.records) and self._is_latest(self.payload_file, self.payloads):
                return
            self._end()
        raise UnavailableError(
            f"no moment was found at which {self.directory} was not being written to; try again",
            reason=Reason.STORAGE_UNAVAILABLE,
            directory=self.directory,
        )

    def _is_latest(self, file: StoreFile, transaction: ReadTransaction | BufferTransaction) -> bool:
        return bool(self._metas[file.role]) and file.last_transaction() == transaction.id()

    def _end(self) -> None:
        self.records.abort()
        self.payloads.abort()

    @property
    def files(self) -> tuple[StoreFile, StoreFile]:
        """Records and payloads."""
        return self.record_file, self.payload_file

    def size(self, file: StoreFile) -> int:
        """Bytes of a file, as of the snapshot."""
        last_page: int
        last_page, _ = _LAST_PAGE_AND_TRANSACTION.unpack_from(self._metas[file.role], _LAST_PAGE_AT)
        # Pages at the end that were freed in the transaction which took them were never written.
        return min((last_page + 1) * file.page_size(), file.path.stat().st_size)

    def pages(self, file: StoreFile) -> Iterator[bytes]:
        """The bytes of a file as of the snapshot: a database of its own, ``size`` bytes in pieces.

        What the state refers to does not change in the file while its transaction is open, so it can be read as it
        lies there; only the pages that describe the state are made anew, both alike.
        """
        meta, page_size, end = self._metas[file.role], file.page_size(), self.size(file)
        yield b"".join(_PAGE_NUMBER.pack(number) + meta[_PAGE_NUMBER.size :] for number in range(_METAS))
        with file.path.open("rb", buffering=0) as source:
            at = _METAS * page_size
            while at < end:
                piece = os.pread(source.fileno(), min(PIECE_BYTES, end - at), at)
                if not piece:
                    raise UnavailableError(
                        f"{file.path} ended at {at} while it was read",
                        reason=Reason.STORAGE_UNAVAILABLE,
                        directory=file.directory,
                    )
                yield piece
                # What has been copied is not needed in memory again, and the server's pages are.
                os.posix_fadvise(source.fileno(), at, len(piece), os.POSIX_FADV_DONTNEED)
                at += len(piece)

    def close(self) -> None:
        """Let the server use its pages again."""
        self._opened.close()


def _read_meta(file: StoreFile, transaction: int) -> bytes:
    """The page that describes the state of a commit; empty when later commits have overwritten it."""
    size = file.page_size()
    with file.path.open("rb", buffering=0) as source:
        for number in range(_METAS):
            page = os.pread(source.fileno(), size, number * size)
            if len(page) == size and _LAST_PAGE_AND_TRANSACTION.unpack_from(page, _LAST_PAGE_AT)[1] == transaction:
                return page
    return b""
