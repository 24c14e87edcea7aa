"""How far a copy is. Its replica keeps this, in the transaction of what was copied."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import bson

from flowcept.errors import PreconditionError, Reason
from flowcept_service.domain.records import Collection
from flowcept_service.storage.replica import Replica


class Stage(StrEnum):
    """What is being copied, before a replica can simply follow."""

    RESET = "reset"
    """The log, requests and consumers of the replica are forgotten."""
    COPY = "copy"
    """Documents that are missing or different."""
    PRUNE = "prune"
    """Documents that the source does not have are removed; left out where the replica was empty."""
    REQUESTS = "requests"
    """Results kept for repeats."""
    LOG = "log"
    """Events from before the copy began: they tell of nothing that the documents do not hold."""
    REPLAY = "replay"
    """Events since then: until their end, the documents are not those of one moment."""


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """A copy under way."""

    stage: Stage
    collection: Collection | None
    """Of COPY and PRUNE."""
    cursor: bytes
    """Where the next page begins; empty: at the beginning."""
    start: int
    """The last sequence of the source when the copy began."""
    end: int
    """The last sequence of the source when the documents were copied; 0 before."""
    prune: bool


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """What a replica is a copy of."""

    source: str
    """``Replica.identity`` of the source."""
    position: int
    """Last sequence of its log when this was written: a later one means that somebody else has written."""
    copying: CopyProgress | None = None
    """None: the replica is as the source was at ``position``."""

    def encode(self) -> bytes:
        """As ``ReplicaBatch.state``."""
        copying = self.copying
        fields = None
        if copying is not None:
            fields = {
                "stage": copying.stage.value,
                "collection": copying.collection and copying.collection.value,
                "cursor": copying.cursor,
                "start": copying.start,
                "end": copying.end,
                "prune": copying.prune,
            }
        return bson.encode({"source": self.source, "position": self.position, "copying": fields})


def read_state(replica: Replica) -> ReplicaState | None:
    """The state that a replica keeps; None when it never was one."""
    data = replica.state()
    return None if data is None else decode_state(data)


def decode_state(data: bytes) -> ReplicaState:
    """The state that ``ReplicaState.encode`` gave."""
    fields = bson.decode(data)
    copying = fields["copying"]
    if copying is not None:
        collection = copying["collection"]
        copying = CopyProgress(
            stage=Stage(copying["stage"]),
            collection=None if collection is None else Collection(collection),
            cursor=copying["cursor"],
            start=copying["start"],
            end=copying["end"],
            prune=copying["prune"],
        )
    return ReplicaState(fields["source"], fields["position"], copying)


def check_complete(replica: Replica, where: str) -> None:
    """Refuse to serve from a store that is a copy which was never finished.

    Args:
        replica: The store.
        where: What to call it, without credentials.

    Raises:
        PreconditionError: STORAGE_INCOMPATIBLE.
    """
    state = read_state(replica)
    if state is not None and state.copying is not None:
        raise PreconditionError(
            f"{where} holds an unfinished copy of another store; let the copy finish (repeat the transfer, or let it "
            "follow its primary), or choose another store",
            reason=Reason.STORAGE_INCOMPATIBLE,
            store=where,
        )
