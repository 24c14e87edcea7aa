"""Payload bytes as the chunk documents of GridFS: written in parallel, read in ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any, Final

import bson
from bson import ObjectId
from pymongo import CursorType
from pymongo.errors import BulkWriteError, DuplicateKeyError

from flowcept_service.affinity import roam
from flowcept_service.storage.contract import Chunk
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.errors import DUPLICATE_KEY
from flowcept_service.storage.mongodb._connection.raw import chunk_document
from flowcept_service.storage.mongodb._connection.schema import CHUNK_BYTES, CHUNKS, FILES, UPLOADS

BATCH_CHUNKS: Final = 17
"""Chunks in one insert: about 4 MiB; two inserts take what an upload stages at once, however it is cut."""
READ_CHUNKS: Final = 4
"""Chunks in one batch of a read: about what one message of a download carries."""
_STREAMED_CHUNKS: Final = 8
"""Reads of more chunks are streamed: the server sends the next batch while the last one is looked at."""
_REMOVED_AT_ONCE: Final = 64


def cut(data: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """The same bytes in pieces of exactly ``CHUNK_BYTES``, but for the last; each as views, which cost no copy."""
    gathered: list[Chunk] = []
    missing = CHUNK_BYTES
    for item in data:
        view = memoryview(item)
        while len(view) >= missing:
            gathered.append(view[:missing])
            view = view[missing:]
            yield gathered
            gathered, missing = [], CHUNK_BYTES
        if view:
            gathered.append(view)
            missing -= len(view)
    if gathered:
        yield gathered


def bounded(parts: Iterable[Chunk], limit: int) -> Iterator[Chunk]:
    """The same bytes: parts above ``limit`` bytes cut, as views, and none empty."""
    for part in parts:
        if len(part) > limit:
            view = memoryview(part)
            yield from (view[at : at + limit] for at in range(0, len(view), limit))
        elif part:
            yield part


class ChunkCollection:
    """The chunks of all payloads. Errors are translated by the caller.

    Args:
        database: Where they are.
        writers: Threads that insert.
    """

    def __init__(self, database: Database, writers: int) -> None:
        self._database = database
        self._writers = ThreadPoolExecutor(writers, thread_name_prefix="mongodb-chunks", initializer=roam)

    def insert(self, payload_id: ObjectId, number: int, pieces: Iterable[Sequence[Chunk]]) -> None:
        """Insert pieces as the chunks from a number on; durable on return.

        Raises:
            DuplicateKeyError: One of these chunks is there already; others may have been inserted.
        """
        rest = iter(pieces)
        first = list(islice(rest, BATCH_CHUNKS))
        second = list(islice(rest, BATCH_CHUNKS))
        if not second:
            # Handing over a single batch would cost more than it saves.
            if first:
                self._insert(payload_id, number, first)
            return
        pending = []
        batch = first
        while batch:
            pending.append(self.submit(payload_id, number, batch))
            number += len(batch)
            batch, second = second or list(islice(rest, BATCH_CHUNKS)), []
        failure: BaseException | None = None
        for future in pending:
            # All of them are awaited: what the caller does next must not race with one that still runs.
            failure = future.exception() or failure
        if failure is not None:
            raise failure

    def submit(self, payload_id: ObjectId, number: int, batch: Sequence[Sequence[Chunk]]) -> Future[None]:
        """Begin to insert pieces as the chunks from a number on. The result raises as ``insert``."""
        return self._writers.submit(self._insert, payload_id, number, batch)

    def _insert(self, payload_id: ObjectId, number: int, batch: Sequence[Sequence[Chunk]]) -> None:
        documents = [chunk_document(payload_id, n, piece) for n, piece in enumerate(batch, number)]
        try:
            self._database.raw[CHUNKS].insert_many(documents, ordered=False)
        except BulkWriteError as error:
            failures = error.details.get("writeErrors", [])
            if failures and all(failure["code"] == DUPLICATE_KEY for failure in failures):
                raise DuplicateKeyError("chunks are there already", DUPLICATE_KEY) from None
            raise

    def read(self, payload_id: ObjectId, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        """Bytes from an offset, chunk by chunk, as views; ends early where bytes are missing."""
        end = offset + length
        if length <= 0:
            return
        number = offset // chunk_bytes
        for found, data in self._range(payload_id, number, (end - 1) // chunk_bytes):
            start = number * chunk_bytes
            if found != number or len(data) < min(chunk_bytes, end - start):
                return
            yield data[max(0, offset - start) : end - start]
            number += 1

    def _range(self, payload_id: ObjectId, first: int, last: int) -> Iterator[tuple[int, memoryview]]:
        """Chunks with their numbers, in order."""
        streamed = last - first >= _STREAMED_CHUNKS
        # Decoded, for that copies the bytes once; as a raw batch, the driver copies them twice.
        cursor = self._database.collection(CHUNKS).find(
            {"files_id": payload_id, "n": {"$gte": first, "$lte": last}},
            sort=[("n", 1)],
            batch_size=READ_CHUNKS,
            cursor_type=CursorType.EXHAUST if streamed else CursorType.NON_TAILABLE,
        )
        with closing(cursor):
            for chunk in cursor:
                yield chunk["n"], memoryview(chunk["data"])

    def last(self, payload_id: ObjectId) -> int:
        """The number of the last chunk of a payload; -1 when it has none."""
        found = self._database.documents(
            CHUNKS, {"files_id": payload_id}, projection={"_id": 0, "n": 1}, sort=[("n", -1)], limit=1
        )
        return next((bson.decode(document)["n"] for document in found), -1)

    def size(self, payload_id: ObjectId) -> int:
        """Bytes in all chunks of a payload."""
        pipeline: list[dict[str, Any]] = [
            {"$match": {"files_id": payload_id}},
            {"$group": {"_id": None, "size": {"$sum": {"$binarySize": "$data"}}}},
        ]
        return sum(row["size"] for row in self._database.collection(CHUNKS).aggregate(pipeline))

    def remove(self, payload_id: ObjectId) -> None:
        """Remove all chunks of a payload, some at a time, so that others are not held up."""
        collection = self._database.collection(CHUNKS)
        last = self.last(payload_id)
        while last >= 0:
            first = max(0, last - _REMOVED_AT_ONCE + 1)
            collection.delete_many({"files_id": payload_id, "n": {"$gte": first}})
            last = first - 1

    def unfiled(self, before: ObjectId) -> Iterator[ObjectId]:
        """The payloads older than ``before`` that have chunks, and neither a file nor an upload."""
        pipeline: list[dict[str, Any]] = [
            {"$match": {"files_id": {"$lt": before}}},
            {"$sort": {"files_id": 1, "n": 1}},
            {"$group": {"_id": "$files_id"}},
            _joined(FILES, "_id"),
            {"$match": {"found": []}},
            _joined(UPLOADS, "payload_id"),
            {"$match": {"found": []}},
        ]
        with self._database.collection(CHUNKS).aggregate(pipeline, allowDiskUse=True) as found:
            for row in found:
                yield row["_id"]

    def close(self) -> None:
        """Stop the writers, after what they are doing."""
        self._writers.shutdown()


def _joined(collection: str, field: str) -> dict[str, Any]:
    return {
        "$lookup": {
            "from": collection,
            "localField": "_id",
            "foreignField": field,
            "pipeline": [{"$project": {"_id": 1}}],
            "as": "found",
        }
    }
