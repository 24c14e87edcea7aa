"""The record role without a database: messages become events, and records last as long as these."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from typing import NoReturn

from flowcept.errors import FlowceptError
from flowcept_service.domain.campaigns import Campaigns
from flowcept_service.domain.events import EventAction
from flowcept_service.domain.records import Collection, Document, RecordWrite, WriteOutcome
from flowcept_service.query import Query, QueryBudget, decode
from flowcept_service.storage.drafts import record_draft
from flowcept_service.storage.memory._log import Appended, MemoryEventLog, RecordKey
from flowcept_service.storage.memory._refusals import no_database


class MemoryRecordStore:
    """Keeps the writing half of ``storage.contract.RecordStore``; reading needs a database.

    Args:
        log: Where events go.
        clock: The time of commits, aware.
    """

    def __init__(self, log: MemoryEventLog, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock

    def write(self, writes: Sequence[RecordWrite]) -> list[WriteOutcome]:
        """See ``RecordStore.write``. A record whose last event is held is merged into; others begin anew."""
        with self._log.changed:
            self._log.check_open()
            now = self._clock()
            last = self._log.bounds().last
            events: list[Appended] = []
            records: dict[RecordKey, bytes] = {}
            seen: set[str] = set()
            outcomes = []
            for write in writes:
                if write.message_id and (write.message_id in seen or self._log.knows_message(write.message_id)):
                    outcomes.append(WriteOutcome())
                    continue
                try:
                    event = self._merge(write, records, now)
                except FlowceptError as error:
                    outcomes.append(WriteOutcome(error=error))
                    continue
                events.append(event)
                seen.add(write.message_id)
                outcomes.append(WriteOutcome(last + len(events)))
            if events:
                self._log.append(events, records, now)
            return outcomes

    def _merge(self, write: RecordWrite, records: dict[RecordKey, bytes], now: datetime) -> Appended:
        key = (write.collection, write.record_id)
        known = records.get(key) or self._log.latest(key)
        record = write.merge(None if known is None else decode(known))
        records[key] = record.data
        action = EventAction.CREATED if known is None else EventAction.UPDATED
        draft = record_draft(write.collection, write.record_id, action, record, now)
        return Appended(draft, key, write.message_id)

    def get(self, collection: Collection, record_id: str) -> Document | None:
        """See ``RecordStore.get``."""
        _refuse(collection, record_id)

    def find(
        self, collection: Collection, query: Query, budget: QueryBudget | None = None
    ) -> Generator[bytes, None, None]:
        """See ``RecordStore.find``."""
        _refuse(collection, query, budget)

    def count(self, collection: Collection, campaign_id: str | None = None) -> int:
        """See ``RecordStore.count``."""
        _refuse(collection, campaign_id)

    def delete(self, field: str, value: str, campaigns: Campaigns = None) -> Mapping[Collection, int]:
        """See ``RecordStore.delete``."""
        _refuse(field, value, campaigns)


def _refuse(*_: object) -> NoReturn:
    raise no_database("queries and deletions")
