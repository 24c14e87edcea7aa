"""Reading the bytes of versions, wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from bson import ObjectId

from flowcept.errors import FlowceptError, shorten
from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.storage.contract import Chunk
from flowcept_service.storage.documents import DATA_FIELD, OUT_OF_LINE_FIELD
from flowcept_service.storage.mongodb._connection.database import Database
from flowcept_service.storage.mongodb._connection.schema import FILES
from flowcept_service.storage.mongodb._payloads.chunks import ChunkCollection, bounded
from flowcept_service.storage.mongodb._payloads.foreign import OWN_FILE, current_bytes, is_own_file
from flowcept_service.storage.mongodb._payloads.held import HeldBytes
from flowcept_service.storage.mongodb._payloads.references import VERSIONS
from flowcept_service.storage.pins import Pins
from flowcept_service.storage.refusals import payload_corrupt, version_overwritten


class PayloadReader:
    """Reads payloads from GridFS and from the documents of objects. Errors are translated by the caller.

    Args:
        database: Where they are.
        chunks: The chunks of GridFS.
        pins: Which payloads are in use in this process.
    """

    def __init__(self, database: Database, chunks: ChunkCollection, pins: Pins) -> None:
        self._database = database
        self._chunks = chunks
        self._pins = pins
        self._inline = HeldBytes()

    def read(self, version: ObjectVersion, offset: int, length: int, piece: int) -> Iterator[Chunk]:
        """See ``PayloadStore.read``."""
        end = offset + length
        for part in bounded(self._parts(version, offset, length), piece):
            offset += len(part)
            yield part
        if offset < end:
            raise self._missing(version, offset)

    def pin(self, version: ObjectVersion) -> AbstractContextManager[None]:
        """See ``PayloadStore.pin``. Bytes in a document are held in memory: nothing else keeps them from going."""
        if version.save_data_in_collection and version.payload_id is not None:
            return self._hold_inline(version, version.payload_id)
        return nullcontext() if version.payload_id is None else self._pins.hold(version.payload_id)

    @contextmanager
    def _hold_inline(self, version: ObjectVersion, payload_id: ObjectId) -> Iterator[None]:
        with self._database.errors():
            data = self._in_object(version)
        with self._pins.hold(payload_id), self._inline.hold(payload_id, data):
            yield

    def known_bytes(self, size: int, sha256: str) -> bytes | None:
        """The bytes of some version of this size and digest, if they are here."""
        wanted = {"data_sha256": sha256, "object_size_bytes": size}
        for collection in VERSIONS:
            row = self._database.collection(collection.value).find_one(wanted, {DATA_FIELD: 1, OUT_OF_LINE_FIELD: 1})
            if row is None:
                continue
            stored = row.get(DATA_FIELD)
            parts = self._file(row.get(OUT_OF_LINE_FIELD), 0, size) if stored is None else (bytes(stored),)
            found = b"".join(parts)
            if hashlib.sha256(found).hexdigest() == sha256:
                return found
        return None

    def _parts(self, version: ObjectVersion, offset: int, length: int) -> Iterator[Chunk]:
        if version.save_data_in_collection:
            data = self._inline.get(version.payload_id)
            if data is None:
                data = self._in_object(version)
            if data is not None:
                yield data[offset : offset + length]
                return
        if version.payload_id is None:
            return
        file = self._file_row(version.payload_id)
        if not is_own_file(file):
            # Flowcept leaves the reference to a file when it puts newer bytes into the document.
            data = self._in_object(version)
            if data is not None:
                yield data[offset : offset + length]
                return
        yield from self._chunks.read(version.payload_id, offset, length, file["chunkSize"])

    def _file(self, payload_id: ObjectId | None, offset: int, length: int) -> Iterator[Chunk]:
        """Bytes of a file of GridFS, as far as they are there."""
        if payload_id is not None:
            chunk_bytes = self._file_row(payload_id)["chunkSize"]
            yield from self._chunks.read(payload_id, offset, length, chunk_bytes)

    def _file_row(self, payload_id: ObjectId) -> Mapping[str, Any]:
        file = self._database.collection(FILES).find_one({"_id": payload_id})
        # Without a file: removed, perhaps, while its reader holds it; the chunks stay as long.
        return OWN_FILE if file is None else file

    def _in_object(self, version: ObjectVersion) -> bytes | None:
        """The bytes in the document of a version, if it still is that version and has them."""
        wanted: dict[str, Any] = {"object_id": version.object_id, "version": version.version}
        if version.data_sha256:
            wanted["data_sha256"] = version.data_sha256
        for collection in VERSIONS:
            row = self._database.collection(collection.value).find_one(wanted)
            data = None if row is None else current_bytes(row)
            if data is not None:
                return data
        return None

    def _missing(self, version: ObjectVersion, offset: int) -> FlowceptError:
        """The error for bytes of a version that are not there: overwritten before its reader held it, or lost."""
        payload_id = version.payload_id
        if payload_id is None or version.save_data_in_collection:
            return version_overwritten(version)
        if self._database.collection(FILES).find_one({"_id": payload_id}, {"_id": 1}) is None:
            return version_overwritten(version)
        return payload_corrupt(f"version {version.version} of object {shorten(version.object_id)}", offset)
