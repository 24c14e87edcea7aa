"""Bounds and sizes of the blob services."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlobSettings:
    """How uploads and downloads share the service."""

    max_uploads: int = 64
    """Most uploads at the same time; each may hold about four batches in memory."""
    in_object_bytes: int = 8 << 20
    """Largest payload that is stored inside its object's document (``save_data_in_collection``)."""
    upload_bytes: int = 0
    """Largest payload; 0: any."""
    batch_bytes: int = 8 << 20
    """Bytes that are staged in one durable step; what fits into one batch is not staged at all."""
    prefetch_bytes: int = 8 << 20
    """Bytes received ahead while the store writes, or read ahead while the network sends."""
    piece_bytes: int = 1 << 20
    """Bytes in one message of a download."""
    inline_bytes: int = 1 << 20
    """Downloads up to this size are read by the thread that sends them; a helper would cost more than it saves."""
    joined_bytes: int = 128 << 10
    """Payloads up to this size are sent in one message, together with the metadata; both stay below 4 MiB."""
