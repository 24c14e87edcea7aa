"""What can be said of a replica, for people, metrics and probes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReplicaPhase(StrEnum):
    """What a replica is doing."""

    CONNECTING = "connecting"
    """Its store was not opened yet."""
    COPYING = "copying"
    """It gets what the primary held when it began; not usable before the end."""
    FOLLOWING = "following"
    """It is as the primary was at its position."""
    FAILING = "failing"
    """The last attempt failed; it is repeated by itself."""
    REFUSED = "refused"
    """It holds data that the primary does not have, and is left alone until somebody decides."""


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """How a replica stands to its primary."""

    phase: ReplicaPhase
    position: int
    """Last sequence of the replica, as far as known."""
    last_sequence: int | None
    """Last sequence of the primary; None when it does not answer."""
    behind_seconds: float
    """Since when the replica has not been level with the primary; 0 when it is."""
    error: str = ""
    """Why the last attempt failed; empty when it did not."""
    rows: int = 0
    """Documents written since the service started."""
    payload_bytes: int = 0
    """Payload bytes copied since then."""
    damaged_payloads: int = 0
    """Versions whose bytes the primary does not have as it should."""

    @property
    def lag_events(self) -> int | None:
        """Events that the replica does not have yet; None when the primary does not answer."""
        return None if self.last_sequence is None else max(0, self.last_sequence - self.position)
