"""Which payloads are in use, and which are being removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Condition

from bson import ObjectId


class Pins:
    """Keeps removal away from payloads that are being read or committed, in this process.

    Removal claims payloads that nobody holds; whoever then wants to hold one waits until the removal is over, and sees
    for itself what is left.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._held: Counter[ObjectId] = Counter()
        self._claimed: set[ObjectId] = set()

    @contextmanager
    def hold(self, payload_id: ObjectId) -> Iterator[None]:
        """While held, the payload is not removed."""
        with self._condition:
            while payload_id in self._claimed:
                self._condition.wait()
            self._held[payload_id] += 1
        try:
            yield
        finally:
            with self._condition:
                self._held[payload_id] -= 1
                if not self._held[payload_id]:
                    del self._held[payload_id]

    def held(self) -> list[ObjectId]:
        """The payloads that are held now."""
        with self._condition:
            return list(self._held)

    @contextmanager
    def claim(self, payload_ids: Iterable[ObjectId]) -> Iterator[list[ObjectId]]:
        """Those of the payloads that nobody holds or claims; until the end they are the caller's to remove."""
        with self._condition:
            claimed = [one for one in payload_ids if one not in self._held and one not in self._claimed]
            self._claimed.update(claimed)
        try:
            yield claimed
        finally:
            with self._condition:
                self._claimed.difference_update(claimed)
                self._condition.notify_all()
