"""What the events of the source mean for the documents of a replica."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bson.raw_bson import RawBSONDocument

from flowcept_service.domain.events import EventAction, EventKind, EventReader, LoggedEvent
from flowcept_service.domain.merge_state import visible_bson
from flowcept_service.domain.records import RECORD_KINDS, Collection
from flowcept_service.domain.replication import LogBlock, RowChange, RowKey, StoredRow
from flowcept_service.query import parse_query
from flowcept_service.storage.contract import Storage
from flowcept_service.storage.replica import ReplicableStorage

_COLLECTIONS: Final = {kind: collection for collection, kind in RECORD_KINDS.items()}


@dataclass(frozen=True, slots=True)
class PlannedRows:
    """The documents as they are to be."""

    records: Sequence[RowChange]
    versions: Sequence[StoredRow]
    """Their bytes are to be brought first. Those of the history precede the latest ones."""
    removed: Sequence[RowChange]


class ChangePlanner:
    """Turns blocks of the source's log into changes of the replica's documents.

    Args:
        source: The original.
        target: The replica, as it was before the blocks.
        reader: Reads events.
    """

    def __init__(self, source: ReplicableStorage, target: ReplicableStorage, reader: EventReader) -> None:
        self._source = source
        self._target = target
        self._reader = reader

    def plan(self, blocks: Iterable[LogBlock]) -> PlannedRows:
        """What the documents have to become, when all events of the blocks are applied."""
        events = [event for block in blocks for event in self._reader.read(block.events.frames)]
        records = self._records([event for event in events if event.kind is not EventKind.OBJECT])
        versions, removed = self._versions([event for event in events if event.kind is EventKind.OBJECT])
        return PlannedRows(records, versions, removed)

    def _records(self, events: Sequence[LoggedEvent]) -> list[RowChange]:
        final = {RowKey(_COLLECTIONS[event.kind], event.id): event for event in events}
        kept = [key for key, event in final.items() if event.action is not EventAction.DELETED]
        now = dict(zip(kept, self._source.replica.stored(kept), strict=True))
        return [
            RowChange(key, None if event.action is EventAction.DELETED else _as_stored(event, now[key]))
            for key, event in final.items()
        ]

    def _versions(self, events: Sequence[LoggedEvent]) -> tuple[list[StoredRow], list[RowChange]]:
        keys = [RowKey(Collection.OBJECTS, object_id) for object_id in dict.fromkeys(event.id for event in events)]
        latest = dict(zip(keys, self._target.replica.stored(keys), strict=True))
        history: dict[RowKey, bytes] = {}
        unclear: set[RowKey] = set()
        for event in events:
            key = RowKey(Collection.OBJECTS, event.id)
            if key in unclear:
                continue
            current = latest[key]
            if event.action is EventAction.DELETED:
                latest[key] = None
            elif not _follows(current, event):
                unclear.add(key)
            else:
                if current is not None and RawBSONDocument(event.document)["control_version"]:
                    history[_history_key(current)] = current
                latest[key] = event.document
        rows = [StoredRow(key, data) for key, data in history.items() if _object_key(key) not in unclear]
        removed = []
        for key, data in latest.items():
            if key in unclear:
                continue
            if data is None:
                removed.append(RowChange(key, None))
            else:
                rows.append(StoredRow(key, data))
        for key in unclear:
            self._copy_object(key, rows, removed)
        return rows, removed

    def _copy_object(self, key: RowKey, rows: list[StoredRow], removed: list[RowChange]) -> None:
        """Make an object what it is in the source now: its events do not follow from what the replica has.

        So it is while events are applied again to documents that were copied later than they happened.
        """
        # The latest version first: when another one is committed meanwhile, its event finds what it replaces.
        latest = self._source.replica.stored([key])[0]
        wanted = _history_of(self._source, key.id) if latest is not None else {}
        known = _history_of(self._target, key.id)
        rows += [StoredRow(place, data) for place, data in wanted.items() if known.get(place) != data]
        removed += [RowChange(place, None) for place in known if place not in wanted]
        if latest is None:
            removed.append(RowChange(key, None))
        else:
            rows.append(StoredRow(key, latest))


def _as_stored(event: LoggedEvent, now: bytes | None) -> bytes:
    """A record as it was stored at its event: with what merging remembers, unless it was changed since.

    If it was, a later event brings that.
    """
    return now if now is not None and visible_bson(now) == event.document else event.document


def _follows(current: bytes | None, event: LoggedEvent) -> bool:
    if current is None:
        return event.action is EventAction.CREATED
    version: int = RawBSONDocument(event.document)["version"]
    return event.action is not EventAction.CREATED and RawBSONDocument(current)["version"] == version - 1


def _history_key(data: bytes) -> RowKey:
    document = RawBSONDocument(data)
    return RowKey(Collection.OBJECT_HISTORY, document["object_id"], document["version"])


def _object_key(key: RowKey) -> RowKey:
    return RowKey(Collection.OBJECTS, key.id)


def _history_of(store: Storage, object_id: str) -> dict[RowKey, bytes]:
    found = store.records.find(Collection.OBJECT_HISTORY, parse_query({"object_id": object_id}))
    return {_history_key(data): data for data in found}
