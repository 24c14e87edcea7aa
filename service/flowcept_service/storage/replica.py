"""What a store promises beyond ``storage.contract`` to be copied from, and to be kept as a copy.

Who fills a replica is its only writer; nobody serves from it meanwhile but reads. Every method may raise what the
contract says that every method may raise.

A document is handed over exactly as it is stored, so a copy answers every query as the original does, and goes on
merging where the original stopped. The log is handed over as it lies, with its sequences: how far a replica has come is
where its log ends.
"""

from __future__ import annotations

from collections.abc import Collection as AnyCollection
from collections.abc import Mapping, Sequence
from typing import Protocol

from bson import ObjectId

from flowcept_service.domain.objects import ObjectVersion
from flowcept_service.domain.records import Collection
from flowcept_service.domain.replication import LogBlock, ReplicaBatch, RequestPage, RowKey, RowPage
from flowcept_service.storage.contract import Storage


class Replica(Protocol):
    """One end of a copy: the methods up to ``state`` serve the original, those from ``state`` on the copy."""

    keeps_bytes_in_documents: bool
    """Whether the bytes of a version with ``save_data_in_collection`` belong into its document."""

    def comes_inline(self, version: ObjectVersion) -> bool:
        """Whether the bytes of a version come to this store with the version, as ``Payload.inline``, unstaged."""
        ...

    def identity(self) -> str:
        """Names this store among all others; made at the first call, the same for ever."""
        ...

    def rows(self, collection: Collection, cursor: bytes, max_bytes: int) -> RowPage:
        """Documents from a cursor on (empty: from the first), in the order of their insertion, at least one if any.

        Each page is one consistent state; what is changed between two pages may be seen or not.
        """
        ...

    def stored(self, keys: Sequence[RowKey]) -> list[bytes | None]:
        """The documents of keys as they are now; None where there is none."""
        ...

    def changes(self, after: int, max_bytes: int) -> list[LogBlock]:
        """The blocks behind a sequence, as ``EventLog.read`` gives them, with what is kept beside them.

        Raises:
            OutOfRangeError: EVENTS_TRIMMED, SEQUENCE_NOT_REACHED.
        """
        ...

    def requests(self, cursor: bytes, limit: int) -> RequestPage:
        """Kept results from a cursor on (empty: from the first), in any order that stays."""
        ...

    def consumers(self) -> Mapping[str, int]:
        """The positions of all durable consumers."""
        ...

    def state(self) -> bytes | None:
        """What the last ``ReplicaBatch`` said, or None: this is no copy of another store."""
        ...

    def held(self, payload_ids: AnyCollection[ObjectId]) -> set[ObjectId]:
        """Those of the payloads whose bytes are here, because a version refers to them."""
        ...

    def apply(self, batch: ReplicaBatch) -> None:
        """Apply a batch atomically; durable on return. Waiters for events are woken.

        Payloads that do not come inline were staged before, under their own ``payload_id``; their staging is discarded
        afterwards.

        Raises:
            PreconditionError: STORAGE_INCOMPATIBLE, when the blocks do not continue the log.
        """
        ...

    def reset_log(self, after: int) -> None:
        """Forget events, messages, requests and consumers, in several transactions; the log begins behind ``after``."""
        ...


class ReplicableStorage(Storage, Protocol):
    """A store that can be copied, and be a copy."""

    replica: Replica
