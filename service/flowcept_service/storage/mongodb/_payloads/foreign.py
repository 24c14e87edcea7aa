"""Documents and files of other writers: Flowcept 0.10 leaves in them what its updates have replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from flowcept_service.storage.documents import DATA_FIELD, OUT_OF_LINE_FIELD
from flowcept_service.storage.mongodb._connection.schema import CHUNK_BYTES

OWN_FILE: Final[Mapping[str, Any]] = {"chunkSize": CHUNK_BYTES, "metadata": {"sha256": ""}}
"""How this store lays out a file."""


def is_own_file(file: Mapping[str, Any]) -> bool:
    """Whether this store wrote a file of GridFS: only then is it known to hold what its documents say."""
    return "sha256" in (file.get("metadata") or {})


def current_bytes(document: Mapping[str, Any]) -> bytes | None:
    """The bytes in the document of a version, unless they are what a file has replaced; None when there are none."""
    stored = document.get(DATA_FIELD)
    if stored is None:
        return None
    data = bytes(stored)
    digest = document.get("data_sha256")
    if OUT_OF_LINE_FIELD in document and digest and hashlib.sha256(data).hexdigest() != digest:
        return None
    return data
