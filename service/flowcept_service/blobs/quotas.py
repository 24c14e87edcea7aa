"""What payloads may take: staged bytes, by principal and altogether, and bytes of a campaign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flowcept_service.domain.quotas import Quota, Usage
from flowcept_service.domain.records import Collection
from flowcept_service.query import decode, parse_query
from flowcept_service.storage.contract import PayloadStore, RecordStore

_EVERYBODY: Final = ""
_STAGED_REMEDY: Final = "commit or abort uploads that were begun, or wait until they expire; what is staged stays"
_CAMPAIGN_REMEDY: Final = "delete objects that are no longer needed, or ask whoever runs the service for more"


@dataclass(frozen=True, slots=True)
class BlobQuotas:
    """The quotas that uploads take from."""

    staged: Quota
    """Of the service as a whole."""
    staged_by_principal: Quota
    campaign_bytes: Quota

    def stage(self, owner: str, size: int) -> None:
        """Stage more bytes.

        Raises:
            ResourceExhaustedError: QUOTA_EXCEEDED.
        """
        self.staged_by_principal.check(owner, size)
        self.staged.take(_EVERYBODY, size)
        self.staged_by_principal.take(owner, size)


def blob_quotas(
    records: RecordStore,
    payloads: PayloadStore,
    clock: Callable[[], float],
    *,
    staged: int = 0,
    staged_by_principal: int = 0,
    campaign_bytes: int = 0,
) -> BlobQuotas:
    """The quotas over a store.

    Args:
        records: Where objects are found.
        payloads: Where bytes are staged.
        clock: Monotonic seconds.
        staged: Most staged bytes; 0: any. So are the others.
        staged_by_principal: Most staged bytes of one principal.
        campaign_bytes: Most bytes of the objects of one campaign.
    """
    total = Usage(lambda _: payloads.staged_bytes(), clock)
    each = Usage(payloads.staged_bytes, clock)
    campaigns = Usage(lambda campaign_id: _bytes_of(records, campaign_id), clock)
    return BlobQuotas(
        staged=Quota("staged_bytes", staged, total, "", _STAGED_REMEDY),
        staged_by_principal=Quota("staged_bytes", staged_by_principal, each, "principal", _STAGED_REMEDY),
        campaign_bytes=Quota("campaign_bytes", campaign_bytes, campaigns, "campaign_id", _CAMPAIGN_REMEDY),
    )


def _bytes_of(records: RecordStore, campaign_id: str) -> int:
    """The bytes of a campaign's objects, all versions that are kept, equal contents once."""
    query = parse_query({"campaign_id": campaign_id}, ["data_sha256", "object_size_bytes"])
    sizes: dict[str, int] = {}
    for collection in (Collection.OBJECTS, Collection.OBJECT_HISTORY):
        for data in records.find(collection, query):
            found = decode(data)
            sizes[str(found.get("data_sha256"))] = int(found.get("object_size_bytes") or 0)
    return sum(sizes.values())
