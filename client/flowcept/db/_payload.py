"""Payloads on their way: what is saved as a source of bytes, and what is read back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from flowcept.checks import text
from flowcept.db._blob_object import BlobObject
from flowcept.pickling import dump
from flowcept.transport import (
    Connection,
    Download,
    PayloadSource,
    Progress,
    RangeReader,
    as_source,
    download_to_file,
    written_source,
)

_BUFFER_BYTES = 256 << 10


def pickled(value: object, piece_size: int) -> PayloadSource:
    """``value`` pickled while it is sent, in constant memory.

    Raises:
        InvalidArgumentError: It cannot be pickled; raised when it is read.
    """
    return written_source(lambda file: dump(value, file, "object"), piece_size)


def payload_source(value: object, *, pickle: bool, piece_size: int) -> PayloadSource:
    """The bytes to save.

    Raises:
        InvalidArgumentError: ``value`` is no kind of bytes; the message names the remedy.
        OSError: A file cannot be opened.
    """
    return pickled(value, piece_size) if pickle else as_source(value, piece_size)


class ServicePayloads:
    """Reads the bytes of a version from the service.

    Args:
        connection: The connection to use.
        inline: The bytes, verified, where they came with the metadata.
    """

    def __init__(self, connection: Connection, inline: bytes | None = None) -> None:
        self._connection = connection
        self._inline = inline

    def read(self, blob: BlobObject, progress: Progress | None) -> bytes:
        """See PayloadReader."""
        if self._inline is not None:
            return b"".join(self.iterate(blob, progress))
        with self._download(blob, progress) as download:
            return download.read()

    def open(self, blob: BlobObject) -> io.BufferedReader:
        """See PayloadReader."""
        if self._inline is not None:
            return io.BufferedReader(io.BytesIO(self._inline))
        object_id = text("object_id", blob.object_id)
        reader = RangeReader(
            self._connection, object_id, blob.version, blob.object_size_bytes or 0, blob.data_sha256 or ""
        )
        return io.BufferedReader(reader, _BUFFER_BYTES)

    def iterate(self, blob: BlobObject, progress: Progress | None) -> Iterator[memoryview]:
        """See PayloadReader."""
        if self._inline is not None:
            if progress is not None:
                progress(len(self._inline), len(self._inline))
            yield memoryview(self._inline)
            return
        with self._download(blob, progress) as download:
            yield from download

    def save_to(self, blob: BlobObject, path: Path, progress: Progress | None) -> None:
        """See PayloadReader."""
        download_to_file(self._connection, text("object_id", blob.object_id), blob.version, path, progress=progress)

    def _download(self, blob: BlobObject, progress: Progress | None) -> Download:
        return Download(self._connection, text("object_id", blob.object_id), blob.version, progress=progress)
