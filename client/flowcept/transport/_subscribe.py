"""Following the event log, however often the connection breaks; and telling how far a durable consumer has come."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, Self

from flowcept.checks import items, text, texts, whole_number
from flowcept.codec import encode_document
from flowcept.errors import (
    FlowceptError,
    InvalidArgumentError,
    Reason,
    ResourceExhaustedError,
    UnauthenticatedError,
    shorten,
    wrong_type,
)
from flowcept.transport._connection import Connection
from flowcept.transport._event import WIRE_KINDS, Event, EventKind
from flowcept.transport._retry import Patience, is_transient
from flowcept.transport._stream import ResponseStream
from flowcept.v1 import provenance_service_pb2 as pb

Start = int | Literal["latest", "earliest"]
"""Where to start: behind a sequence (0: the very first event), or at an end of the log."""

_EDGES: Mapping[object, pb.LogEdge] = {"latest": pb.LOG_EDGE_LATEST, "earliest": pb.LOG_EDGE_EARLIEST}
_SEQUENCES = 1 << 64
_MEMBERS = 1 << 31
_MIN_HEARTBEAT = 0.1  # seconds; the service refuses less


@dataclass(frozen=True, slots=True)
class EventSelection:
    """Which events: those that match every field that is given; a list matches any of its values."""

    kinds: Sequence[EventKind | str] = ()
    """What the event is about: ``task``, ``workflow``, ``agent``, ``object``."""

    workflow_ids: Sequence[str] = ()
    """The workflow executions."""

    campaign_ids: Sequence[str] = ()
    """The campaigns."""

    activity_ids: Sequence[str] = ()
    """The activities."""

    object_types: Sequence[str] = ()
    """The types of objects."""

    document: Mapping[str, Any] = field(default_factory=dict)
    """A filter on the event's document, in MongoDB's query language."""

    shard: tuple[int, int] | None = None
    """Only the share of one member of a group: its index from 0, and the number of members. Splits by workflow."""


@dataclass(frozen=True, slots=True)
class EventBatch:
    """What arrived together."""

    events: Sequence[Event]
    """The events, in the order of their sequence; none in a heartbeat."""

    position: int
    """Everything up to this sequence was received or filtered out."""

    last_sequence: int
    """The last sequence of the log then: how far this subscriber lags."""


def subscribe(
    connection: Connection,
    *,
    start: Start = "latest",
    consumer: str = "",
    selection: EventSelection | None = None,
    omit_documents: bool = False,
    heartbeat: float = 5.0,
) -> Subscription:
    """Subscribe to the event log. Nothing is sent before the first event is asked for, or ``open`` is called.

    Args:
        connection: The connection to use.
        start: Where to start.
        consumer: Name of a durable consumer: one that the service knows starts behind its last acknowledged sequence.
        selection: Which events; all when not given.
        omit_documents: Leave documents out: a fraction of the bytes.
        heartbeat: Seconds of silence after which the service tells its position; at most a third of the idle timeout.

    Raises:
        InvalidArgumentError: An argument is wrong.
    """
    request = pb.SubscribeRequest(consumer=text("consumer", consumer), omit_documents=bool(omit_documents))
    _put_start(request, start)
    if selection is not None:
        _put_selection(request, selection)
    if not isinstance(heartbeat, int | float) or math.isnan(heartbeat):
        raise wrong_type("heartbeat", heartbeat, "a number of seconds")
    interval = max(_MIN_HEARTBEAT, min(heartbeat, connection.settings.idle_timeout / 3))
    request.heartbeat_interval.FromTimedelta(timedelta(seconds=interval))
    return Subscription(connection, request)


def acknowledge(connection: Connection, consumer: str, sequence: int) -> int:
    """Tell that a durable consumer has processed everything up to a sequence; the acknowledged sequence.

    Raises:
        OutOfRangeError: SEQUENCE_NOT_REACHED: the log does not reach that far.
        InvalidArgumentError: The name is not valid, or ``sequence`` is no sequence.
    """
    request = pb.AcknowledgeRequest(
        consumer=text("consumer", consumer), sequence=whole_number("sequence", sequence, _SEQUENCES)
    )
    return connection.call(lambda stubs: stubs.provenance.Acknowledge, request).sequence


class Subscription:
    """Events from a position on, then live, until it is closed: iterate over it, in one thread.

    A broken connection is made anew, behind the last event received, as often as it takes: nothing is missed and
    nothing comes twice. Only a service that never answered is given up, after ``settings.retry.max_attempts``.
    """

    def __init__(self, connection: Connection, request: pb.SubscribeRequest) -> None:
        self._connection = connection
        self._request = request
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._stream: ResponseStream[pb.SubscribeResponse] | None = None
        # Interrupted by close, and without end once the service was reached: outages of hours are ordinary.
        self._patience = Patience(connection.settings.retry, math.inf, replace(connection.timing, sleep=self._pause))
        self._ahead: pb.SubscribeResponse | None = None
        self._is_refused = False
        self.position: int | None = None
        """Everything up to this sequence was received or filtered out; None before the first answer."""
        self.last_sequence = 0
        """The last sequence of the log, as last heard."""

    def open(self) -> int:
        """Wait until the service has answered; the position. Whatever is committed from then on will be received.

        Raises:
            FlowceptError: As ``batches``.
        """
        if self.position is None:
            self._ahead = self._receive()
        return self.position or 0  # 0: closed meanwhile, nothing will be received

    def batches(self) -> Iterator[EventBatch]:
        """The events as they arrive, heartbeats included; ends when the subscription is closed.

        Raises:
            OutOfRangeError: EVENTS_TRIMMED: the log no longer reaches back to the position, also when retention
                overtakes a slow subscriber; SEQUENCE_NOT_REACHED.
            ResourceExhaustedError: TOO_MANY_SUBSCRIPTIONS, at the start.
            UnavailableError: The service was never reached.
            InvalidArgumentError: The selection is wrong.
        """
        while (response := self._ahead or self._receive()) is not None:
            self._ahead = None
            yield EventBatch(list(map(Event, response.events)), response.position, response.last_sequence)

    def __iter__(self) -> Iterator[Event]:
        """The events, one by one. Ends and raises as ``batches``."""
        for batch in self.batches():
            yield from batch.events

    def close(self) -> None:
        """End the subscription. Safe from any thread; an iteration that waits ends at once."""
        self._closed.set()
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._closed.is_set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self) -> pb.SubscribeResponse | None:
        """The next response; None when the subscription is closed."""
        while not self._closed.is_set():
            try:
                response = next(self._opened())
            except StopIteration:
                self._stream = None  # a server that ends the stream politely; the next one continues
                continue
            except FlowceptError as error:
                self._stream = None
                self._recover(error)
                continue
            self.position = response.position
            self.last_sequence = max(self.last_sequence, response.last_sequence)
            self._patience.progressed()
            self._is_refused = False
            return response
        return None

    def _opened(self) -> ResponseStream[pb.SubscribeResponse]:
        stream = self._stream
        if stream is not None:
            return stream
        if self.position is not None:
            # Where we are is known better here than by the name of the consumer, which may not have acknowledged it.
            self._request.consumer = ""
            self._request.after_sequence = self.position
        stream = self._connection.stream(lambda stubs: stubs.provenance.Subscribe, self._request)
        with self._lock:
            self._stream = stream
        if self._closed.is_set():
            stream.close()
        return stream

    def _pause(self, seconds: float) -> None:
        self._closed.wait(seconds)

    def _recover(self, error: FlowceptError) -> None:
        """Wait before the next attempt, or raise what ends the subscription."""
        if self._closed.is_set():
            return
        # After a failure the service may not have noticed yet that our former stream is gone.
        crowded = isinstance(error, ResourceExhaustedError) and error.reason is Reason.TOO_MANY_SUBSCRIPTIONS
        # The token has expired meanwhile; its file may hold a new one, which is read for the next call.
        expired = isinstance(error, UnauthenticatedError) and not self._is_refused
        self._is_refused = expired
        if not is_transient(error) and not ((crowded or expired) and self.position is not None):
            raise error
        self._patience.wait(error)


def _put_start(request: pb.SubscribeRequest, start: object) -> None:
    if isinstance(start, int) and not isinstance(start, bool) and 0 <= start < _SEQUENCES:
        request.after_sequence = start
    elif isinstance(start, str) and start in _EDGES:
        request.edge = _EDGES[start]
    else:
        raise InvalidArgumentError(
            f"start is {shorten(start)}; it must be 'latest', 'earliest' or the sequence to start behind",
            field="start",
            value=shorten(start),
        )


def _put_selection(request: pb.SubscribeRequest, selection: object) -> None:
    if not isinstance(selection, EventSelection):
        raise wrong_type("selection", selection, "an EventSelection")
    wanted = request.filter
    for kind in items("kinds", selection.kinds, f"a list of {', '.join(WIRE_KINDS)}"):
        try:
            wanted.kinds.append(WIRE_KINDS[EventKind(str(kind))])
        except (ValueError, KeyError):
            raise InvalidArgumentError(
                f"kinds has {shorten(kind)}; give any of {', '.join(WIRE_KINDS)}", field="kinds", value=shorten(kind)
            ) from None
    for name in ("workflow_ids", "campaign_ids", "activity_ids", "object_types"):
        getattr(wanted, name).extend(texts(name, getattr(selection, name)))
    if selection.document:
        wanted.document.CopyFrom(encode_document(selection.document, "filter"))
    if selection.shard is not None:
        _put_shard(request, selection.shard)


def _put_shard(request: pb.SubscribeRequest, shard: object) -> None:
    if not isinstance(shard, tuple | list) or len(shard) != 2:
        raise wrong_type("shard", shard, "the index of a member and the number of members")
    request.shard.index = whole_number("shard.index", shard[0], _MEMBERS)
    request.shard.count = whole_number("shard.count", shard[1], _MEMBERS)
