"""Histories: gap-free, each version linked to the one before it, below a latest version."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

import bson

from flowcept_service.domain.records import Collection, Document
from flowcept_service.storage.lmdb._environment.keys import text_key, version_key
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._tables import RECORDS
from flowcept_service.storage.lmdb.check._collections import key_of
from flowcept_service.storage.lmdb.check._finding import Finding, Fix, Kind
from flowcept_service.storage.lmdb.check._rows import rows, try_decode
from flowcept_service.storage.lmdb.offline import Snapshot

_LATEST: Final = Collection.OBJECTS
_EARLIER: Final = Collection.OBJECT_HISTORY


class HistoryCheck:
    """The check of all histories.

    The names of all versions are held in memory, about 100 bytes each, because the tables that find documents by name
    may be what is damaged.

    Args:
        snapshot: The store.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._latest: dict[bytes, int] = {}
        self._earlier: set[bytes] = set()
        self._missing: set[bytes] = set()

    def visit_latest(self, key: bytes, document: Document) -> None:
        """A document of ``objects``."""
        version = document.get("version", 0)
        self._latest[key] = version if isinstance(version, int) else 0

    def visit_earlier(self, key: bytes, document: Document) -> None:
        """A document of ``object_history``."""
        del document
        self._earlier.add(key)

    def run(self) -> Iterator[Finding]:
        """What is wrong, after all documents were visited."""
        for collection in (_LATEST, _EARLIER):
            for row, data in rows(self._snapshot, collection.value):
                document = try_decode(data)
                if document is None or key_of(collection, document) is None or not _is_versioned(document):
                    continue  # found already, or another writer's, who does without
                yield from self._link(collection, row, document)
                yield from self._neighbours(collection, document)

    def _link(self, collection: Collection, row: bytes, document: Document) -> Iterator[Finding]:
        version, link = document.get("version", 0), document.get("prev_version")
        wanted = version - 1 if version else None
        # Other writers leave the link out where history is not controlled.
        if link == wanted or (link is None and not document.get("control_version")):
            return
        yield Finding(
            Kind.VERSION_LINK,
            collection.value,
            f"{document['object_id']} version {version}",
            f"it says that version {link} came before it, and that was {wanted}",
            Fix(RECORDS, partial(self._relink, collection=collection, row=row, link=wanted)),
        )

    def _relink(self, txn: WriteTransaction, *, collection: Collection, row: bytes, link: int | None) -> bool:
        table = self._snapshot.record_file.table(collection.value)
        data = txn.get(row, table)
        if data is not None:
            # No field that is indexed, so nothing else changes.
            txn.put(row, bson.encode({**(try_decode(data) or {}), "prev_version": link}), table)
        return False

    def _neighbours(self, collection: Collection, document: Document) -> Iterator[Finding]:
        object_id, version = document["object_id"], document.get("version", 0)
        if collection is _EARLIER:
            latest = self._latest.get(text_key(object_id))
            if latest is None or latest <= version:
                problem = "there is no object" if latest is None else f"the latest version is {latest}"
                what = f"{object_id} version {version}"
                yield Finding(Kind.VERSION_ORPHAN, collection.value, what, f"it is in the history, and {problem}")
                return
            if latest != version + 1:
                yield from self._present(object_id, version + 1)
        if document.get("control_version") and version > 0:
            yield from self._present(object_id, version - 1)

    def _present(self, object_id: str, version: int) -> Iterator[Finding]:
        key = version_key(object_id, version)
        if key not in self._earlier and key not in self._missing:
            self._missing.add(key)
            yield Finding(
                Kind.VERSION_MISSING,
                _EARLIER.value,
                f"{object_id} version {version}",
                "the history does not have it, and has versions beside it",
            )


def _is_versioned(document: Document) -> bool:
    version, link = document.get("version", 0), document.get("prev_version")
    return isinstance(version, int) and (link is None or isinstance(link, int))
