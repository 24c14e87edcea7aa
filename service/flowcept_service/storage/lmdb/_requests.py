"""Results of committed changes under their ``upload_id`` or ``request_id``, kept for repeats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from flowcept_service.domain.replication import KeptRequest
from flowcept_service.storage.lmdb._environment.environment import Environment, TableKind
from flowcept_service.storage.lmdb._environment.keys import NUMBER, text_key
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction

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
        txn.put(key_of_time(now), key, self._times)

    def kept(self, txn: lmdb.Transaction[bytes], after: bytes, limit: int) -> tuple[list[KeptRequest], bytes]:
        """Results behind a place, the oldest first, and the place of the last; no place when there are no more."""
        requests: list[KeptRequest] = []
        place = b""
        with txn.cursor(self._times) as cursor:
            found = _behind(cursor, after) if after else cursor.first()
            while found and len(requests) < limit:
                time_key, key = cursor.item()
                requests += self.named(txn, [key], _time(time_key))
                place = time_key + key
                found = cursor.next()
        return requests, place

    def named(self, txn: lmdb.Transaction[bytes], keys: Iterable[bytes], committed_at: datetime) -> list[KeptRequest]:
        """The results of requests that were committed at a time; without those that have expired."""
        results = [(key, txn.get(key, db=self._rows)) for key in keys]
        return [
            KeptRequest(key.decode("utf-8", "surrogatepass"), committed_at, result)
            for key, result in results
            if result is not None
        ]

    def expire(self, txn: WriteTransaction, before: datetime, limit: int) -> int:
        """Forget up to ``limit`` of the results that are older; how many these were."""
        end = key_of_time(before)
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


def _behind(cursor: lmdb.Cursor[bytes], place: bytes) -> bool:
    time_key, key = place[: NUMBER.size], place[NUMBER.size :]
    if cursor.set_range_dup(time_key, key):
        return cursor.next() if cursor.value() == key else True
    # No such time any more, or no further key of it.
    return cursor.set_range(NUMBER.pack(NUMBER.unpack(time_key)[0] + 1))


def _time(time_key: bytes) -> datetime:
    return datetime.fromtimestamp(NUMBER.unpack(time_key)[0] / 1000, UTC)


def key_of_time(when: datetime) -> bytes:
    """The key of a time."""
    return NUMBER.pack(int(when.timestamp() * 1000))
