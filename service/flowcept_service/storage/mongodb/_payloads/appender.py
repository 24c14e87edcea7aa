"""Appending to an upload: its chunks are inserted in parallel, and the row that counts them follows behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from flowcept_service.domain.objects import Staging
from flowcept_service.storage.contract import Chunk
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.raw import chunk_document
from flowcept_service.storage.mongodb._connection.schema import CHUNK_BYTES, CHUNKS
from flowcept_service.storage.mongodb._payloads.chunks import BATCH_CHUNKS, ChunkCollection, cut
from flowcept_service.storage.mongodb._payloads.staging import StagingRows

_LEFT_UNDER_WAY: Final = 1
"""Inserts that may go on while the caller gathers what comes next, so that the database has work meanwhile. More would
be too much for a sender that waits until what it has sent is staged (the contract says how much that may be): the row
counts them when the next bytes come."""


@dataclass(frozen=True, slots=True)
class _Insert:
    """Consecutive chunks on their way into the database."""

    first: int
    pieces: Sequence[Sequence[Chunk]]
    done: Future[None]

    @property
    def end(self) -> int:
        return self.first + len(self.pieces)


class ChunkAppender:
    """Keeps ``storage.appending.Appender``.

    The row of the upload counts a chunk once it and all before it are durable. So whatever breaks, what the row counts
    is there; chunks behind it are replaced by whoever resumes, and dropped by the commit.

    Args:
        database: Where the upload is.
        rows: The uploads.
        chunks: Their bytes.
        staging: What is staged at the beginning.
    """

    def __init__(self, database: Database, rows: StagingRows, chunks: ChunkCollection, staging: Staging) -> None:
        self._database = database
        self._rows = rows
        self._chunks = chunks
        self._staging = staging
        self._taken = staging
        self._tail: list[Chunk] = []
        self._inserts: deque[_Insert] = deque()

    @property
    def staging(self) -> Staging:
        """See ``Appender.staging``."""
        return self._staging

    @property
    def size(self) -> int:
        """See ``Appender.size``."""
        return self._taken.size

    def append(self, data: Sequence[Chunk], now: datetime) -> None:
        """See ``Appender.append``."""
        with self._database.errors():
            # Asked first: whoever lost the upload must not write chunks.
            stored = self._rows.tail(self._staging)
            if self._taken.size == self._staging.size:
                self._tail = [stored]
            pieces = list(cut([*self._tail, *data]))
            self._taken = replace(self._taken, size=self._taken.size + sum(map(len, data)), updated_at=now)
            full, rest = divmod(self._taken.size, CHUNK_BYTES)
            self._tail = list(pieces.pop()) if rest else []
            first = full - len(pieces)
            for start in range(0, len(pieces), BATCH_CHUNKS):
                self._begin(first + start, pieces[start : start + BATCH_CHUNKS])
            self._note(self._finished(_LEFT_UNDER_WAY))

    def settle(self) -> Staging:
        """See ``Appender.settle``."""
        with self._database.errors():
            self._finished(0)
            if self._taken != self._staging:
                self._rows.grow(self._staging, self._taken, b"".join(self._tail))
                self._staging = self._taken
        return self._staging

    def close(self) -> None:
        """See ``Appender.close``."""
        wait(insert.done for insert in self._inserts)

    def _begin(self, first: int, pieces: Sequence[Sequence[Chunk]]) -> None:
        done = self._chunks.submit(self._staging.payload_id, first, pieces)
        self._inserts.append(_Insert(first, pieces, done))

    def _finished(self, left: int) -> int:
        """Wait until so many inserts are left under way; the number of chunks that are durable."""
        durable = self._staging.size // CHUNK_BYTES
        while self._inserts and (len(self._inserts) > left or self._inserts[0].done.done()):
            oldest = self._inserts[0]
            try:
                oldest.done.result()
            except DuplicateKeyError:
                # Of a call that failed after its chunks, or of a former holder that was still writing.
                self._replace()
                return self._staging.size // CHUNK_BYTES
            durable = oldest.end
            self._inserts.popleft()
        return durable

    def _note(self, durable: int) -> None:
        """Have the row count chunks that are durable."""
        if durable > self._staging.size // CHUNK_BYTES:
            grown = replace(self._taken, size=durable * CHUNK_BYTES)
            self._rows.grow(self._staging, grown, b"")
            self._staging = grown

    def _replace(self) -> None:
        """Put what is under way in place of the chunks that are there, in one step with the proof that it is ours."""
        self.close()
        first = self._inserts[0].first
        pieces = [piece for insert in self._inserts for piece in insert.pieces]
        grown = replace(self._taken, size=(first + len(pieces)) * CHUNK_BYTES)
        payload_id = grown.payload_id

        def change(session: ClientSession) -> None:
            self._rows.grow(self._staging, grown, b"", session)
            chunks = self._database.raw[CHUNKS]
            chunks.delete_many({"files_id": payload_id, "n": {"$gte": first}}, session=session)
            documents = [chunk_document(payload_id, n, piece) for n, piece in enumerate(pieces, first)]
            chunks.insert_many(documents, session=session)

        with self._database.client.start_session() as session:
            session.with_transaction(change)
        self._inserts.clear()
        self._staging = grown
