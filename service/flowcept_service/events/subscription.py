"""Subscriptions: each reads the log at its own pace, and is only woken by memory.

A subscription belongs to the thread that iterates over it. While the subscriber's flow control holds that thread, the
subscription holds one batch and nothing else; whatever is committed meanwhile waits in the log.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flowcept.errors import Reason, ResourceExhaustedError, UnavailableError
from flowcept_service.events.codec import log_position
from flowcept_service.events.consumers import LogEdge, Start, start_position
from flowcept_service.events.selection import AS_KEPT, EVERYTHING, Form, Selection, pack, select
from flowcept_service.storage.contract import EventLog


@dataclass(frozen=True, slots=True)
class SubscriptionSettings:
    """How subscriptions share the service."""

    max_subscriptions: int = 512
    """Most subscriptions at the same time; each holds a thread."""
    batch_bytes: int = 1 << 20
    """Events are sent in batches of up to so many bytes; one event that is larger goes alone."""
    check_seconds: float = 0.25
    """How often an idle subscription looks whether its subscriber is still there: how long a cancelled one lives."""
    pause_seconds: float = 0.0005
    """Seconds that a live subscription rests after a batch, for each other subscription there is.

    Gathers the commits of a busy log into fewer, larger batches, so that the work of waking N subscribers stays the
    same for every N: 200 of them are served every 0.1 s, a single one at once.
    """
    max_pause_seconds: float = 0.2
    """Bound on that rest."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a subscriber asks for."""

    start: Start = LogEdge.LATEST
    consumer: str = ""
    """Name of a durable consumer, which goes before ``start`` once it is known; empty when there is none."""
    selection: Selection = EVERYTHING
    form: Form = AS_KEPT
    heartbeat_seconds: float = 5.0
    """Longest silence: without events, the position is sent this often."""


class Subscriptions:
    """The subscriptions to one log."""

    def __init__(self, log: EventLog, settings: SubscriptionSettings, clock: Callable[[], float]) -> None:
        """Serve a log.

        Args:
            log: What is read.
            settings: Bounds.
            clock: Monotonic seconds.
        """
        self._log = log
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._positions: dict[object, int] = {}
        self._events_sent = 0
        self._draining = threading.Event()

    @property
    def active(self) -> int:
        """How many subscriptions there are."""
        return len(self._positions)

    @property
    def events_sent(self) -> int:
        """How many events all subscriptions together have sent."""
        return self._events_sent

    def furthest_behind(self, last: int) -> int:
        """How many events behind a sequence the slowest subscription is; 0 when there is none."""
        with self._lock:
            slowest = min(self._positions.values(), default=last)
        return max(0, last - slowest)

    def drain(self) -> None:
        """End all subscriptions and begin none, with UnavailableError (DRAINING): subscribers go to another replica."""
        self._draining.set()

    def stream(self, subscription: Subscription, is_wanted: Callable[[], bool]) -> Generator[bytes, None, None]:
        """The encoded ``SubscribeResponse`` messages of a subscription, without end; the first tells where it starts.

        Args:
            subscription: What to send.
            is_wanted: Whether the subscriber is still there; the iterator ends when it is not.

        Raises:
            ResourceExhaustedError: TOO_MANY_SUBSCRIPTIONS.
            OutOfRangeError: EVENTS_TRIMMED, also when retention overtakes the subscriber; SEQUENCE_NOT_REACHED.
            UnavailableError: DRAINING.
        """
        with self._slot() as slot:
            position = start_position(self._log, subscription.start, subscription.consumer)
            self._positions[slot] = position
            yield log_position(position, self._log.bounds().last)
            yield from self._follow(slot, subscription, position, is_wanted)

    def _follow(
        self, slot: object, subscription: Subscription, position: int, is_wanted: Callable[[], bool]
    ) -> Iterator[bytes]:
        sent_at = self._clock()
        while is_wanted():
            self._check_draining()
            due = sent_at + subscription.heartbeat_seconds - self._clock()
            self._log.wait(position, max(0.0, min(due, self._settings.check_seconds)))
            last = self._log.bounds().last
            if last > position:
                for reached, frames in self._read(subscription, position):
                    position, last = reached, max(reached, last)
                    if frames:
                        yield frames + log_position(position, last)
                        sent_at = self._clock()
                    self._positions[slot] = position
                if position >= last:
                    self._rest()
            if self._clock() - sent_at >= subscription.heartbeat_seconds:
                yield log_position(position, last)
                sent_at = self._clock()

    def _read(self, subscription: Subscription, after: int) -> Iterator[tuple[int, bytes]]:
        """One read of the log: packs of frames, each with the position behind it; the last may be without frames."""
        limit = self._settings.batch_bytes
        blocks = self._log.read(after, limit)
        selection, form = subscription.selection, subscription.form
        pieces = (piece for block in blocks for piece in select(block, after, selection, form, limit))
        pending: tuple[int, bytes] | None = None
        for packed in pack(self._counted(pieces, after, contiguous=selection == EVERYTHING), limit):
            if pending is not None:
                yield pending
            pending = packed
        # Whatever follows the last selected event was looked at too.
        yield blocks[-1].last, pending[1] if pending is not None else b""

    def _counted(
        self, pieces: Iterator[tuple[int, bytes]], after: int, *, contiguous: bool
    ) -> Iterator[tuple[int, bytes]]:
        """The same pieces; then, at their end, their events are counted as sent."""
        events = 0
        for reached, frames in pieces:
            # Without a selection a piece holds whatever follows the last one, else it is one event.
            events += reached - after if contiguous else 1
            after = reached
            yield reached, frames
        with self._lock:
            self._events_sent += events

    def _rest(self) -> None:
        pause = min(self._settings.pause_seconds * (self.active - 1), self._settings.max_pause_seconds)
        if pause > 0:
            self._draining.wait(pause)

    def _check_draining(self) -> None:
        if self._draining.is_set():
            raise UnavailableError(
                "the service is shutting down; subscribe again behind the last position received, elsewhere or later",
                reason=Reason.DRAINING,
            )

    @contextmanager
    def _slot(self) -> Iterator[object]:
        self._check_draining()
        limit = self._settings.max_subscriptions
        with self._lock:
            if len(self._positions) >= limit:
                raise ResourceExhaustedError(
                    f"there are {limit} subscriptions already, the most that are allowed at once; end one of them",
                    reason=Reason.TOO_MANY_SUBSCRIPTIONS,
                    limit=limit,
                )
            slot = object()
            # Nothing is behind before its start is known.
            self._positions[slot] = sys.maxsize
        try:
            yield slot
        finally:
            with self._lock:
                del self._positions[slot]
