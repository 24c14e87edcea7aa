"""Results kept for repeats, and the times at which they expire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flowcept_service.storage.lmdb._requests import key_of_time
from flowcept_service.storage.lmdb.check._finding import Finding, Kind
from flowcept_service.storage.lmdb.check._rows import put, rows, text, try_decode
from flowcept_service.storage.lmdb.offline import Snapshot


def check_requests(snapshot: Snapshot) -> Iterator[Finding]:
    """What is wrong. A time without a result is normal: a copy may have a result's time twice."""
    timed = {key for _, key in rows(snapshot, "request_times")}
    for key, data in rows(snapshot, "requests"):
        document = try_decode(data)
        if document is None:
            yield Finding(Kind.REQUEST, "requests", text(key), "its result cannot be decoded")
            continue
        if key not in timed:
            when = document.get("updated_at") or document.get("created_at")
            fix = put(snapshot, "request_times", key_of_time(when), key) if isinstance(when, datetime) else None
            yield Finding(Kind.REQUEST, "requests", text(key), "it has no time, and would be kept for ever", fix)
