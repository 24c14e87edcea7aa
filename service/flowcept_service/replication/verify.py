"""Whether a store is the copy of another: documents, payload bytes, events and consumers are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from bson import ObjectId

from flowcept.errors import IntegrityError, NotFoundError
from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.domain.records import RECORD_KINDS, Collection
from flowcept_service.domain.replication import LogBlock, RowKey, StoredRow
from flowcept_service.replication.payloads import document_as_held
from flowcept_service.storage.documents import decode_version
from flowcept_service.storage.replica import ReplicableStorage

PAGE_BYTES: Final = 1 << 20
PIECE_BYTES: Final = 1 << 20
WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the copy does not have as its source."""

    where: str
    """``tasks``, ``objects``, ..., ``payloads``, ``events`` or ``consumers``."""
    what: str
    """An identifier, with the version of an object; or sequences of events."""
    problem: str


@dataclass(frozen=True, slots=True)
class Checked:
    """Something that was compared, and how it went."""

    where: str
    size: int
    """Bytes that were read, of payloads."""
    difference: Difference | None


class Verification:
    """Compares two stores. Neither may change meanwhile.

    Args:
        source: The original.
        target: Its copy.
        is_stopping: Whether to end early.
    """

    def __init__(self, source: ReplicableStorage, target: ReplicableStorage, is_stopping: Callable[[], bool]) -> None:
        self._source = source
        self._target = target
        self._is_stopping = is_stopping

    def run(self) -> Iterator[Checked]:
        """Everything that was compared, one after the other; ends early when ``is_stopping``."""
        for collection in Collection:
            yield from self._documents(collection)
            yield from self._surplus(collection)
        yield from self._payloads()
        yield from self._events()
        yield from self._consumers()

    def _documents(self, collection: Collection) -> Iterator[Checked]:
        for rows in self._pages(self._source, collection):
            wanted = rows if collection in RECORD_KINDS else [document_as_held(row, self._target) for row in rows]
            held = self._target.replica.stored([row.key for row in wanted])
            for row, data in zip(wanted, held, strict=True):
                problem = "is missing in the copy" if data is None else "is another document in the copy"
                yield _checked(collection.value, _name(row.key), "" if data == row.data else problem)

    def _surplus(self, collection: Collection) -> Iterator[Checked]:
        for rows in self._pages(self._target, collection):
            wanted = self._source.replica.stored([row.key for row in rows])
            for row, data in zip(rows, wanted, strict=True):
                if data is None:
                    yield _checked(collection.value, _name(row.key), "is only in the copy")

    def _payloads(self) -> Iterator[Checked]:
        """The bytes of every version in the copy, once for each payload, against their digest."""
        seen: set[ObjectId] = set()
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="verify") as pool:
            for collection in (Collection.OBJECTS, Collection.OBJECT_HISTORY):
                for rows in self._pages(self._target, collection):
                    versions = [version for version in map(decode_version, _data(rows)) if self._is_new(version, seen)]
                    yield from pool.map(self._payload, versions)

    @staticmethod
    def _is_new(version: ObjectVersion, seen: set[ObjectId]) -> bool:
        if version.payload_id is None or version.save_data_in_collection:
            return True
        known = version.payload_id in seen
        seen.add(version.payload_id)
        return not known

    def _payload(self, version: ObjectVersion) -> Checked:
        name = f"{version.object_id} version {version.version}"
        digest = hashlib.sha256()
        size = 0
        try:
            for piece in self._target.payloads.read(version, 0, version.object_size_bytes, PIECE_BYTES):
                if self._is_stopping():
                    return Checked("payloads", size, None)
                digest.update(piece)
                size += len(piece)
        except (IntegrityError, NotFoundError) as error:
            return Checked("payloads", size, Difference("payloads", name, error.message))
        if version.data_sha256 and digest.hexdigest() != version.data_sha256:
            problem = f"its bytes have SHA-256 {digest.hexdigest()} instead of {version.data_sha256}"
            return Checked("payloads", size, Difference("payloads", name, problem))
        return Checked("payloads", size, None)

    def _events(self) -> Iterator[Checked]:
        """The blocks that both logs hold; each forgets old ones at a time of its own."""
        ours, theirs = self._source.events.bounds(), self._target.events.bounds()
        if ours.last != theirs.last:
            problem = f"the source's log ends at {ours.last}, that of the copy at {theirs.last}"
            yield _checked("events", "the end of the log", problem)
        first = max(ours.oldest, theirs.oldest)
        pairs = zip_longest(self._blocks(self._source, first - 1), self._blocks(self._target, first - 1))
        for source, target in pairs:
            known = source or target
            name = "" if known is None else f"events {known.events.first} to {known.events.last}"
            yield _checked("events", name, "" if _same(source, target) else "are others in the copy")

    def _consumers(self) -> Iterator[Checked]:
        ours, theirs = self._source.replica.consumers(), self._target.replica.consumers()
        for name in sorted(ours.keys() | theirs.keys()):
            problem = f"stands at {theirs.get(name)} in the copy, and at {ours.get(name)} in the source"
            yield _checked("consumers", name, "" if ours.get(name) == theirs.get(name) else problem)

    def _pages(self, store: ReplicableStorage, collection: Collection) -> Iterator[Sequence[StoredRow]]:
        cursor = b""
        while not self._is_stopping():
            page = store.replica.rows(collection, cursor, PAGE_BYTES)
            yield page.rows
            cursor = page.cursor
            if not cursor:
                return

    def _blocks(self, store: ReplicableStorage, after: int) -> Iterator[LogBlock]:
        while not self._is_stopping():
            blocks = store.replica.changes(after, PAGE_BYTES)
            if not blocks:
                return
            yield from blocks
            after = blocks[-1].events.last


def _same(source: LogBlock | None, target: LogBlock | None) -> bool:
    if source is None or target is None:
        return False
    return (source.events, sorted(source.messages)) == (target.events, sorted(target.messages))


def _data(rows: Iterable[StoredRow]) -> Iterator[bytes]:
    return (row.data for row in rows)


def _name(key: RowKey) -> str:
    return key.id if key.version is None else f"{key.id} version {key.version}"


def _checked(where: str, what: str, problem: str) -> Checked:
    return Checked(where, 0, Difference(where, what, problem) if problem else None)
