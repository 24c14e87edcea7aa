"""The object role: versions, their history and their payload references, changed in one transaction with the event."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flowcept_service.domain.events import EventAction
from flowcept_service.domain.limits import check_record_size
from flowcept_service.domain.objects import (
    CommitResult,
    ObjectChange,
    ObjectVersion,
    Payload,
    PlannedChange,
    Precondition,
    check_deletable,
    object_not_found,
    plan_change,
    version_not_found,
)
from flowcept_service.query import decode
from flowcept_service.storage.documents import decode_version, encode_document, version_to_document
from flowcept_service.storage.drafts import object_draft
from flowcept_service.storage.lmdb._collection import Change, Entry, IndexedCollection
from flowcept_service.storage.lmdb._environment.environment import Environment
from flowcept_service.storage.lmdb._environment.keys import text_key, version_key
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.lmdb._environment.writer import GroupWriter
from flowcept_service.storage.lmdb._log.writer import EventLogWriter
from flowcept_service.storage.lmdb._payloads.references import PayloadReferences
from flowcept_service.storage.lmdb._payloads.role import LmdbPayloadStore
from flowcept_service.storage.lmdb._requests import Requests
from flowcept_service.storage.refusals import request_reused

if TYPE_CHECKING:
    import lmdb


class LmdbObjectStore:
    """Keeps ``storage.contract.ObjectStore``.

    Args:
        environment: The environment of the versions.
        writer: Its writer.
        log: Appends the events.
        payloads: The bytes that versions refer to.
        references: Counts these references.
        requests: Results of earlier changes, for repeats.
        latest: The collection of latest versions.
        history: The collection of earlier versions.
    """

    def __init__(
        self,
        *,
        environment: Environment,
        writer: GroupWriter,
        log: EventLogWriter,
        payloads: LmdbPayloadStore,
        references: PayloadReferences,
        requests: Requests,
        latest: IndexedCollection,
        history: IndexedCollection,
    ) -> None:
        self._environment = environment
        self._writer = writer
        self._log = log
        self._payloads = payloads
        self._references = references
        self._requests = requests
        self._latest = latest
        self._history = history

    def commit(self, change: ObjectChange) -> CommitResult:
        """See ``ObjectStore.commit``."""
        if change.payload is None or change.payload.inline is not None:
            size = 0 if change.payload is None else change.payload.size
            return self._writer.submit(lambda txn: self._commit(txn, change), size=size)
        known = self._repeated(change)
        if known is not None:
            return known
        with self._payloads.committing(change.payload):
            return self._writer.submit(lambda txn: self._commit(txn, change))

    def commit_known(self, change: ObjectChange, size: int, sha256: str) -> CommitResult | None:
        """See ``ObjectStore.commit_known``."""

        def operation(txn: WriteTransaction) -> CommitResult | None:
            payload = self._references.find(txn, size, sha256)
            if payload is None:
                return self._repeat(txn.reader, change)
            return self._commit(txn, replace(change, payload=payload))

        return self._writer.submit(operation)

    def committed(self, request_id: str) -> ObjectVersion | None:
        """See ``ObjectStore.committed``."""
        with self._environment.read() as txn:
            data = self._requests.get(txn, request_id)
        return None if data is None else decode_version(data)

    def get(self, object_id: str, version: int | None = None) -> ObjectVersion:
        """See ``ObjectStore.get``."""
        with self._environment.read() as txn:
            current = self._current(txn, object_id)
            if version is None or version == current.version:
                return current
            kept = None
            if 0 <= version < current.version:
                kept = self._history.get(txn, version_key(object_id, version))
        if kept is None:
            raise version_not_found(object_id, version, current)
        return decode_version(kept.data)

    def versions(self, object_id: str, below: int | None, limit: int) -> list[ObjectVersion]:
        """See ``ObjectStore.versions``."""
        with self._environment.read() as txn:
            current = self._current(txn, object_id)
            result = [current] if below is None or current.version < below else []
            end = current.version if below is None else max(0, min(below, current.version))
            result += self._kept(txn, object_id, end, limit - len(result))
        return result[:limit]

    def _current(self, txn: lmdb.Transaction[bytes], object_id: str) -> ObjectVersion:
        """The latest version. Raises NotFoundError (OBJECT_NOT_FOUND)."""
        latest = self._latest.get(txn, text_key(object_id))
        if latest is None:
            raise object_not_found(object_id)
        return decode_version(latest.data)

    def _kept(self, txn: lmdb.Transaction[bytes], object_id: str, below: int, limit: int) -> list[ObjectVersion]:
        """Versions in the history, newest first."""
        end = version_key(object_id, below)
        result: list[ObjectVersion] = []
        with txn.cursor(self._history.keys) as cursor:
            found = cursor.prev() if cursor.set_range(end) else cursor.last()
            while found and len(result) < limit and cursor.key()[:-8] == end[:-8]:
                data = txn.get(cursor.value(), db=self._history.rows)
                if data is not None:
                    result.append(decode_version(data))
                found = cursor.prev()
        return result

    def delete(self, object_id: str, precondition: Precondition, now: datetime) -> ObjectVersion:
        """See ``ObjectStore.delete``."""
        key = text_key(object_id)

        def operation(txn: WriteTransaction) -> ObjectVersion:
            entry = self._latest.get(txn.reader, key)
            current = check_deletable(object_id, None if entry is None else decode_version(entry.data), precondition)
            if entry is not None:
                self._latest.apply(txn, [Change(key, entry.row, decode(entry.data), {}, b"")])
                self._release(txn, current)
                self._log.append(txn, [object_draft(current, EventAction.DELETED, now, entry.data)])
            return current

        return self._writer.submit(operation)

    def _repeated(self, change: ObjectChange) -> CommitResult | None:
        """The first result of a repeated change; asked before its bytes are looked for, which may be gone by now."""
        with self._environment.read() as txn:
            return self._repeat(txn, change)

    def _repeat(self, txn: lmdb.Transaction[bytes], change: ObjectChange) -> CommitResult | None:
        data = self._requests.get(txn, change.request_id) if change.request_id else None
        if data is None:
            return None
        first = decode_version(data)
        if first.object_id != change.object_id:
            raise request_reused(change.request_id, first.object_id, change.object_id)
        return CommitResult(first, 0, repeated=True)

    def _commit(self, txn: WriteTransaction, change: ObjectChange) -> CommitResult:
        repeated = self._repeat(txn.reader, change)
        if repeated is not None:
            return repeated
        key = text_key(change.object_id)
        entry = self._latest.get(txn.reader, key)
        current = None if entry is None else decode_version(entry.data)
        planned = plan_change(current, change)
        document = version_to_document(planned.new)
        data = encode_document(document)
        check_record_size(data)
        # Nothing was written so far: an error up to here is the caller's alone.
        if entry is None or current is None:
            self._latest.apply(txn, [Change(key, None, {}, document, data)])
        else:
            before = decode(entry.data)
            self._latest.apply(txn, [Change(key, entry.row, before, document, data)])
            if planned.retained is not None:
                self._retain(txn, current, before, entry)
        self._refer(txn, current, planned, change.payload)
        sequence = self._log.next_sequence
        request_key = text_key(change.request_id) if change.request_id else b""
        self._log.append(txn, [object_draft(planned.new, planned.action, change.now, data)], request_key=request_key)
        if change.request_id:
            self._requests.put(txn, change.request_id, change.now, data)
        return CommitResult(decode_version(data), sequence)

    def _retain(self, txn: WriteTransaction, version: ObjectVersion, document: dict[str, Any], entry: Entry) -> None:
        key = version_key(version.object_id, version.version)
        self._history.apply(txn, [Change(key, None, {}, document, entry.data)])

    def _refer(
        self, txn: WriteTransaction, current: ObjectVersion | None, planned: PlannedChange, payload: Payload | None
    ) -> None:
        """Count the references of the new version, and of the one that it replaces unless that is kept."""
        if payload is not None:
            self._references.add(txn, payload)
        elif planned.retained is not None and planned.new.payload_id is not None:
            self._references.add_again(txn, planned.new.payload_id)
        if payload is not None and planned.retained is None and current is not None:
            self._release(txn, current)

    def _release(self, txn: WriteTransaction, version: ObjectVersion) -> None:
        if version.payload_id is not None:
            self._references.release(txn, version.payload_id)
