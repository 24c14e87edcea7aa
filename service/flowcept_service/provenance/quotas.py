"""How many records a campaign may have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from flowcept_service.domain.quotas import Quota, Usage
from flowcept_service.domain.records import RECORD_KINDS, Collection, Document, EncodedRecord, RecordWrite
from flowcept_service.storage.contract import RecordStore

_REMEDY: Final = "delete records that are no longer needed, or ask whoever runs the service for more"


def record_quota(records: RecordStore, limit: int, clock: Callable[[], float]) -> Quota:
    """The quota of tasks, workflows and agents in a campaign, over a store; ``limit`` 0: any number."""

    def look_up(campaign_id: str) -> int:
        return sum(records.count(collection, campaign_id) for collection in RECORD_KINDS)

    return Quota("campaign_records", limit, Usage(look_up, clock), "campaign_id", _REMEDY)


class BatchQuota:
    """The quota for one batch of messages: looked at before it is stored, so that no transaction waits for it.

    A message that changes a record takes nothing. One that would make a record beyond the quota is rejected, alone.

    Args:
        quota: The quota.
        campaigns: The campaign of each message that has one.
    """

    def __init__(self, quota: Quota, campaigns: Sequence[str]) -> None:
        self._quota = quota
        self._left = {name: quota.left(name, campaigns.count(name)) for name in set(campaigns)}
        self._made: dict[str, set[tuple[Collection, str]]] = {name: set() for name in self._left}

    def guarded(self, write: RecordWrite, campaign_id: object) -> RecordWrite:
        """The same write, refused (QUOTA_EXCEEDED) if it makes a record that is one too many."""
        if not isinstance(campaign_id, str) or campaign_id not in self._left:
            return write
        merge = partial(self._merge, write, campaign_id)
        return RecordWrite(write.collection, write.record_id, write.message_id, merge)

    def settle(self) -> None:
        """Count what the batch has made."""
        for name, made in self._made.items():
            self._quota.usage.add(name, len(made))

    def _merge(self, write: RecordWrite, campaign_id: str, existing: Document | None) -> EncodedRecord:
        merged = write.merge(existing)
        if existing is None:
            # A set: a transaction that is repeated merges again.
            made = self._made[campaign_id]
            key = (write.collection, write.record_id)
            if key not in made and len(made) >= self._left[campaign_id]:
                raise self._quota.exceeded(campaign_id, 1)
            made.add(key)
        return merged
