"""How bytes that were staged or written become a file, in the transaction of the version that refers to them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from flowcept_service.domain.objects import Payload
from flowcept_service.storage.documents import encode_document
from flowcept_service.storage.mongodb._commit.unit import FILE_TABLE, GARBAGE_TABLE, UPLOAD_TABLE, Tail, Unit
from flowcept_service.storage.mongodb._connection.schema import CHUNK_BYTES
from flowcept_service.storage.refusals import payload_gone

WANTED_OF_PAYLOAD: Final = (FILE_TABLE, UPLOAD_TABLE, GARBAGE_TABLE)
"""What ``seal`` reads under the payload's id."""


def seal(unit: Unit, payload: Payload, filename: str, now: datetime) -> None:
    """Make a payload a file, if it is none yet.

    Args:
        unit: The transaction.
        payload: Its chunks are stored, but for what the row of its upload holds.
        filename: What GridFS's tools call it.
        now: When it became visible.

    Raises:
        VersionConflictError: UPLOAD_BUSY, when the bytes are being removed, or are others.
    """
    payload_id = payload.payload_id
    garbage = unit.get(GARBAGE_TABLE, payload_id)
    if garbage is not None and garbage["removing"]:
        raise payload_gone(payload_id, payload.size)
    if unit.get(FILE_TABLE, payload_id) is not None:
        return
    staged = unit.get(UPLOAD_TABLE, payload_id)
    if staged is not None:
        if staged["size"] != payload.size:
            raise payload_gone(payload_id, payload.size)
        unit.finish_payload(Tail(payload_id, payload.size // CHUNK_BYTES, bytes(staged["tail"])))
        # The row stays until the upload is discarded; from now on it holds no bytes.
        unit.put(UPLOAD_TABLE, payload_id, encode_document({**staged, "tail": b"", "committed": True}))
    file = {
        "filename": filename,
        "length": payload.size,
        "chunkSize": CHUNK_BYTES,
        "uploadDate": now,
        "metadata": {"sha256": payload.sha256},
    }
    unit.put(FILE_TABLE, payload_id, encode_document(file))
