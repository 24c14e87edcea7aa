"""Stores as a confined caller sees them: what belongs to other campaigns is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace
from datetime import datetime

from bson import ObjectId

from flowcept.errors import NotFoundError, Reason
from flowcept_service.domain.campaigns import Campaigns, campaign_denied, own_identifier, permits
from flowcept_service.domain.objects import (
    CommitResult,
    ObjectChange,
    ObjectVersion,
    Payload,
    Precondition,
    Staging,
    object_not_found,
)
from flowcept_service.domain.principals import Principal, Scope
from flowcept_service.domain.records import Collection
from flowcept_service.query import parse_query
from flowcept_service.storage.appending import Appender
from flowcept_service.storage.contract import Chunk, ObjectStore, PayloadStore, RecordStore

Caller = Callable[[], Principal]
"""Tells who calls. Asked in the thread of the call, which is the one that looks objects up and commits them."""


class ConfinedObjects:
    """An ``ObjectStore``, to whoever calls.

    Each version belongs to the campaign that it names. One that the caller may not touch is answered like one that does
    not exist; only a name that is taken cannot be given away a second time, so a payload for it is refused.

    Args:
        store: All objects.
        records: Where versions are searched by their content.
        caller: Who calls.
    """

    def __init__(self, store: ObjectStore, records: RecordStore, caller: Caller) -> None:
        self._store = store
        self._records = records
        self._caller = caller

    def check(self, object_id: str, campaign_id: str | None) -> None:
        """Refuse, before the bytes of an upload, what ``commit`` would refuse behind them.

        Args:
            object_id: The object; empty for a new one.
            campaign_id: The campaign that is given for it, if any.

        Raises:
            PermissionDeniedError: CAMPAIGN_DENIED.
        """
        campaigns = self._caller().campaigns
        if campaigns is None:
            return
        kept = campaign_id
        if object_id:
            # A new object has the campaign that is given.
            with suppress(NotFoundError):
                kept = self._store.get(object_id).campaign_id
        resulting = kept if campaign_id is None else campaign_id
        if not (permits(campaigns, kept) and permits(campaigns, resulting)):
            raise campaign_denied(campaign_id)

    def commit(self, change: ObjectChange) -> CommitResult:
        """See ``ObjectStore.commit``."""
        return self._store.commit(self._confined(change))

    def commit_known(self, change: ObjectChange, size: int, sha256: str) -> CommitResult | None:
        """See ``ObjectStore.commit_known``; None for content that the caller may not read, whether it is there or not.

        Else, a digest that was overheard would buy the bytes.
        """
        caller = self._caller()
        if not caller.has(Scope.READ) or not self._is_readable(sha256, caller.campaigns):
            return None
        return self._store.commit_known(self._confined(change), size, sha256)

    def committed(self, request_id: str) -> ObjectVersion | None:
        """See ``ObjectStore.committed``."""
        return self._store.committed(own_identifier(self._caller().campaigns, request_id))

    def get(self, object_id: str, version: int | None = None) -> ObjectVersion:
        """See ``ObjectStore.get``."""
        campaigns = self._caller().campaigns
        try:
            found = self._store.get(object_id, version)
        except NotFoundError as error:
            # That a version is missing says that others are there.
            if error.reason is Reason.OBJECT_NOT_FOUND or self._shows(object_id, campaigns):
                raise
            raise object_not_found(object_id) from None
        if not permits(campaigns, found.campaign_id):
            raise object_not_found(object_id)
        return found

    def versions(self, object_id: str, below: int | None, limit: int) -> list[ObjectVersion]:
        """See ``ObjectStore.versions``."""
        campaigns = self._caller().campaigns
        if campaigns is None:
            return self._store.versions(object_id, below, limit)
        found: list[ObjectVersion] = []
        step_below = below
        while len(found) < limit:
            step = self._store.versions(object_id, step_below, limit)
            found += [version for version in step if permits(campaigns, version.campaign_id)]
            if len(step) < limit:
                break
            step_below = step[-1].version
        if not found and below is None:
            raise object_not_found(object_id)
        if not found:
            # An object of others must not look like the end of a list.
            self.versions(object_id, None, 1)
        return found[:limit]

    def delete(self, object_id: str, precondition: Precondition, now: datetime) -> ObjectVersion:
        """See ``ObjectStore.delete``."""
        return self._store.delete(object_id, replace(precondition, campaigns=self._caller().campaigns), now)

    def _confined(self, change: ObjectChange) -> ObjectChange:
        campaigns = self._caller().campaigns
        if campaigns is None:
            return change
        return replace(
            change,
            request_id=own_identifier(campaigns, change.request_id),
            precondition=replace(change.precondition, campaigns=campaigns),
        )

    def _shows(self, object_id: str, campaigns: Campaigns) -> bool:
        return campaigns is None or permits(campaigns, self._store.get(object_id).campaign_id)

    def _is_readable(self, sha256: str, campaigns: Campaigns) -> bool:
        """Whether a version of the caller's campaigns has this content."""
        if campaigns is None:
            return True
        wanted = {"data_sha256": sha256, "campaign_id": {"$in": sorted(campaigns)}}
        query = parse_query(wanted, {"object_id": 1}, limit=1)
        for collection in (Collection.OBJECTS, Collection.OBJECT_HISTORY):
            with closing(self._records.find(collection, query)) as found:
                if next(found, None) is not None:
                    return True
        return False


class ConfinedPayloads:
    """A ``PayloadStore``, to whoever calls: uploads under way are named as by ``own_identifier``.

    Bytes are reached through a version or a staging, so whoever has one was allowed to.

    Args:
        store: All payloads.
        caller: Who calls.
    """

    def __init__(self, store: PayloadStore, caller: Caller) -> None:
        self._store = store
        self._caller = caller

    def stage(
        self, upload_id: str, object_id: str, now: datetime, payload_id: ObjectId | None = None, owner: str = ""
    ) -> Staging:
        """See ``PayloadStore.stage``."""
        return self._store.stage(self._own(upload_id), object_id, now, payload_id, owner)

    def append(self, staging: Staging, data: Sequence[Chunk], now: datetime) -> Staging:
        """See ``PayloadStore.append``."""
        return self._store.append(staging, data, now)

    def appender(self, staging: Staging) -> Appender:
        """See ``PayloadStore.appender``."""
        return self._store.appender(staging)

    def staged(self, upload_id: str) -> Staging | None:
        """See ``PayloadStore.staged``."""
        return self._store.staged(self._own(upload_id))

    def staged_bytes(self, owner: str | None = None) -> int:
        """See ``PayloadStore.staged_bytes``."""
        return self._store.staged_bytes(owner)

    def read_staged(self, staging: Staging, start: int = 0) -> Iterator[bytes]:
        """See ``PayloadStore.read_staged``."""
        return self._store.read_staged(staging, start)

    def discard(self, upload_id: str) -> bool:
        """See ``PayloadStore.discard``."""
        return self._store.discard(self._own(upload_id))

    def write(self, data: Sequence[Chunk], sha256: str, *, in_object: bool) -> Payload:
        """See ``PayloadStore.write``."""
        return self._store.write(data, sha256, in_object=in_object)

    def read(self, version: ObjectVersion, offset: int, length: int, piece: int) -> Iterator[Chunk]:
        """See ``PayloadStore.read``."""
        return self._store.read(version, offset, length, piece)

    def pin(self, version: ObjectVersion) -> AbstractContextManager[None]:
        """See ``PayloadStore.pin``."""
        return self._store.pin(version)

    def _own(self, upload_id: str) -> str:
        return own_identifier(self._caller().campaigns, upload_id)
