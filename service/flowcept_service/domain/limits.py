"""How large a record may become."""

from __future__ import annotations

from flowcept.errors import InvalidArgumentError, Reason

MAX_RECORD_BYTES = 3 << 20
"""Largest record, as BSON: with its envelope it fits into one message of 4 MiB, gRPC's default limit."""


def check_record_size(encoded: bytes) -> None:
    """Refuse a record that is too large, after merging and encoding.

    Args:
        encoded: The record as BSON.

    Raises:
        InvalidArgumentError: RECORD_TOO_LARGE; points to blobs, which have no such limit.
    """
    size = len(encoded)
    if size > MAX_RECORD_BYTES:
        raise InvalidArgumentError(
            f"the record would have {size} bytes with this message, and at most {MAX_RECORD_BYTES} are allowed; save "
            "large values as a blob (Flowcept.db.save_or_update_object) and keep its object_id in the record",
            reason=Reason.RECORD_TOO_LARGE,
            size_bytes=size,
            limit_bytes=MAX_RECORD_BYTES,
        )
