"""How much of the service one principal may use at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import grpc

from flowcept.errors import Reason, ResourceExhaustedError, shorten
from flowcept_service.rpc.handlers import SurroundingInterceptor
from flowcept_service.rpc.principal import current_principal


@dataclass(frozen=True, slots=True)
class Share:
    """Calls that are counted together."""

    name: str
    """What they are, for people."""
    limit: int
    """Most calls of one principal at the same time; 0: any."""
    reason: Reason
    """Why a further one is refused."""


class Shares(SurroundingInterceptor):
    """Refuses the calls of a principal that has its share under way already.

    Args:
        shares: By method.
    """

    def __init__(self, shares: Mapping[str, Share]) -> None:
        super().__init__()
        self._shares = {method: share for method, share in shares.items() if share.limit}
        self._lock = Lock()
        self._active: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def surround(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        """See SurroundingInterceptor."""
        share = self._shares.get(method)
        if share is None:
            yield
            return
        place = (share.name, current_principal().name)
        with self._lock:
            if self._active[place] >= share.limit:
                raise _used_up(share, place[1])
            self._active[place] += 1
        try:
            yield
        finally:
            with self._lock:
                self._active[place] -= 1
                if not self._active[place]:
                    del self._active[place]  # or every principal that ever called would be remembered


def _used_up(share: Share, principal: str) -> ResourceExhaustedError:
    return ResourceExhaustedError(
        f"{shorten(principal)} has {share.limit} {share.name} under way, the most that one principal may have at the "
        "same time; wait for one of them, or end it",
        reason=share.reason,
        quota=share.name,
        limit=share.limit,
        principal=principal,
    )
