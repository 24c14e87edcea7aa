"""Results of committed changes under their ``upload_id`` or ``request_id``, kept for repeats."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from flowcept_service.storage.lmdb._environment import Environment, TableKind
from flowcept_service.storage.lmdb._keys import NUMBER, text_key
from flowcept_service.storage.lmdb._transaction import WriteTransaction

if TYPE_CHECKING:
    import lmdb

REQUEST_TABLES: Final[Mapping[str, TableKind]] = {
    "requests": TableKind(),
    "request_times": TableKind(sorted_duplicates=True),
}


class Requests:
    """Each request's result: the document of the version that it committed, as it was then.

    Args:
        environment: The environment of the versions, with ``REQUEST_TABLES``.
    """

    def __init__(self, environment: Environment) -> None:
        self._rows = environment.table("requests")
        self._times = environment.table("request_times")

    def get(self, txn: lmdb.Transaction[bytes], request_id: str) -> bytes | None:
        """The document that a request committed, or None."""
        return txn.get(text_key(request_id), db=self._rows)

    def put(self, txn: WriteTransaction, request_id: str, now: datetime, document: bytes) -> None:
        """Keep a result."""
        key = text_key(request_id)
        txn.put(key, document, self._rows)
        txn.put(_time_key(now), key, self._times)

    def expire(self, txn: WriteTransaction, before: datetime, limit: int) -> int:
        """Forget up to ``limit`` of the results that are older; how many these were."""
        end = _time_key(before)
        expired: list[tuple[bytes, bytes]] = []
        with txn.reader.cursor(self._times) as cursor:
            found = cursor.first()
            while found and len(expired) < limit and cursor.key() < end:
                expired.append(cursor.item())
                found = cursor.next()
        for time_key, key in expired:
            txn.delete(time_key, self._times, key)
            txn.delete(key, self._rows)
        return len(expired)


def _time_key(when: datetime) -> bytes:
    return NUMBER.pack(int(when.timestamp() * 1000))
