"""Quotas: how much of something may be in use, by principal, by campaign or altogether.

What is in use is looked up in the store now and then, and in between what this process adds is counted on. So a quota
costs almost nothing, and this is its precision: what is under way at the same moment passes together, and what other
processes on the same store add, or what is removed, is seen within `REFRESH_SECONDS` (longer where looking up takes
longer than a twentieth of that). Before something is refused the store is asked again, so nothing is refused because of
what was removed seconds ago. A look-up that is slow, or fails, concerns its own name only: whoever asks for that waits
for one look-up together.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Final

from flowcept.errors import Reason, ResourceExhaustedError, shorten

REFRESH_SECONDS: Final = 5.0
"""How old what was looked up may be."""
DOUBT_SECONDS: Final = 0.5
"""How old it may be when something is about to be refused."""
_MOST_OF_THE_TIME: Final = 20
"""Looking up may take so little of the time: one part in so many."""
MAX_NAMES: Final = 10_000
"""Names whose usage is remembered; they are the clients' to choose."""


@dataclass(slots=True)
class _Entry:
    used: int = 0
    """What was looked up, with what was added since."""
    at: float = -math.inf
    """When."""
    cost: float = 0.0
    """Seconds that looking up took."""
    looking: Future[None] | None = None
    """The look-up under way."""
    added: int = 0
    """What was added since it began: it may have seen that or not."""


class Usage:
    """What is in use, by name.

    Args:
        look_up: Asks the store. May raise what stores raise.
        clock: Monotonic seconds.
    """

    def __init__(self, look_up: Callable[[str], int], clock: Callable[[], float]) -> None:
        self._look_up = look_up
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def of(self, name: str, age: float = REFRESH_SECONDS) -> int:
        """What is in use, as known about ``age`` seconds ago at most."""
        with self._lock:
            entry = self._entry(name)
            now = self._clock()
            if now - entry.at <= max(age, entry.cost * _MOST_OF_THE_TIME):
                return entry.used
            others = entry.looking
            if others is None:
                mine = entry.looking = Future()
                entry.added = 0
        if others is None:
            self._refresh(name, entry, now, mine)
        else:
            others.result()
        with self._lock:
            return entry.used

    def add(self, name: str, amount: int) -> None:
        """More is in use from now on."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None:
                entry.used += amount
                entry.added += amount

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.setdefault(name, _Entry())
        self._entries.move_to_end(name)
        while len(self._entries) > MAX_NAMES:
            self._entries.popitem(last=False)
        return entry

    def _refresh(self, name: str, entry: _Entry, begun: float, looking: Future[None]) -> None:
        """Look up without the lock; who waits for ``looking`` gets what this raises, too."""
        try:
            used = self._look_up(name)
        except BaseException as error:
            with self._lock:
                entry.looking = None
            looking.set_exception(error)
            raise
        with self._lock:
            entry.at = self._clock()
            entry.cost = entry.at - begun
            entry.used = used + entry.added
            entry.looking = None
        looking.set_result(None)


@dataclass(frozen=True, slots=True)
class Quota:
    """A bound on what is in use.

    Attributes:
        name: What is bounded, as the error's metadata says it.
        limit: The bound; 0: none, and then nothing is ever looked up.
        usage: What is in use.
        key: What the names of ``usage`` are, as the error's metadata says it; empty for the service as a whole.
        remedy: What a caller may do about it.
    """

    name: str
    limit: int
    usage: Usage
    key: str
    remedy: str

    def left(self, name: str, wanted: int) -> int:
        """How much may be taken; looked up anew where it seems to be less than is wanted."""
        left = self.limit - self.usage.of(name)
        return left if left >= wanted else self.limit - self.usage.of(name, DOUBT_SECONDS)

    def check(self, name: str, amount: int) -> None:
        """Refuse what would be too much; what has no name (no campaign, say) takes from no quota.

        Raises:
            ResourceExhaustedError: QUOTA_EXCEEDED.
        """
        nobody = self.key and not name
        if self.limit and not nobody and self.left(name, amount) < amount:
            raise self.exceeded(name, amount)

    def take(self, name: str, amount: int) -> None:
        """Use more.

        Raises:
            ResourceExhaustedError: QUOTA_EXCEEDED; nothing is taken.
        """
        self.check(name, amount)
        if self.limit:
            self.usage.add(name, amount)

    def exceeded(self, name: str, amount: int) -> ResourceExhaustedError:
        """The error for something that would be too much."""
        whose = f"{self.key.removesuffix('_id')} {shorten(name)}" if self.key else "this service"
        named = {self.key: name} if self.key else {}
        return ResourceExhaustedError(
            f"{whose} may use {self.limit} {self.name.replace('_', ' ')}, and {amount} more would be too much; "
            f"{self.remedy}",
            reason=Reason.QUOTA_EXCEEDED,
            quota=self.name,
            limit=self.limit,
            **named,
        )
