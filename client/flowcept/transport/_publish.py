"""Publishing messages: in requests of bounded size, repeated under the same identifiers until they are durable."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowcept.codec import encode_document
from flowcept.errors import FlowceptError, InvalidArgumentError, Reason, shorten
from flowcept.transport._connection import Connection
from flowcept.transport._retry import Patience, is_transient
from flowcept.v1 import provenance_service_pb2 as pb

REQUEST_MESSAGES = 1000
"""Most messages in one request."""

REQUEST_BYTES = 3_900_000
"""Most bytes in one request: gRPC's own limit is 4 MiB. A document alone is at most 3 MiB."""

_FRAME_BYTES = 16  # tags and lengths around a document and its identifier


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A message that the service will never take as it is."""

    index: int
    """Which one, from 0, in the order of publishing."""

    reason: Reason
    """Why, in one word."""

    field: str
    """The field at fault, with its path; empty when it is the message as a whole."""

    message: str
    """What is wrong and what to do, for a person."""

    def error(self) -> InvalidArgumentError:
        """The same as an error."""
        return InvalidArgumentError(self.message, reason=self.reason, field=self.field)


@dataclass(frozen=True, slots=True)
class Published:
    """What became of the messages."""

    stored: int
    """How many are stored by this call."""

    duplicates: int
    """How many had been stored before, under the same ``message_id``."""

    rejections: tuple[RejectedMessage, ...]
    """Those that are not stored. All others are durable."""

    last_sequence: int
    """Sequence of the last event that they became; 0 when nothing was stored."""


def publish(
    connection: Connection,
    messages: Iterable[Mapping[str, Any]],
    *,
    timeout: float | None = None,
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    progress: Callable[[int], object] | None = None,
) -> Published:
    """Publish messages and return when they are durable, in bounded memory however many there are.

    Args:
        connection: The connection to use.
        messages: Records as documents, with ``type`` (``task``, ``workflow``, ``agent``) or the identifiers that tell
            it. ``message_id`` is taken out and identifies the message: what was stored under it is not stored again.
        timeout: Deadline of one request in seconds; that of the settings when not given.
        new_id: Makes the identifier of a message that has none.
        progress: Called after each request with the number of messages that are done.

    Requests are repeated with growing waits: ``settings.retry.max_attempts`` times while the service never answered,
    once it did until nothing moved for ``settings.idle_timeout`` seconds.

    Raises:
        FlowceptError: The service cannot be reached, has no room, ... What was done before is durable; publishing the
            same messages under the same ``message_id`` again is harmless.
    """
    settings = connection.settings
    patience = Patience(settings.retry, settings.idle_timeout, connection.timing)
    tally = _Tally()
    for request, indexes in _requests(messages, tally, new_id):
        response = _send(connection, request, timeout, patience)
        patience.progressed()
        tally.add(response, indexes)
        if progress is not None:
            progress(indexes[-1] + 1)
    return tally.result()


class _Tally:
    def __init__(self) -> None:
        self.stored = 0
        self.duplicates = 0
        self.last_sequence = 0
        self.rejections: list[RejectedMessage] = []

    def add(self, response: pb.PublishResponse, indexes: list[int]) -> None:
        self.stored += response.stored_count
        self.duplicates += response.duplicate_count
        self.last_sequence = max(self.last_sequence, response.last_sequence)
        for found in response.rejections:
            reason = Reason(found.reason) if found.reason in Reason.__members__ else Reason.UNSPECIFIED
            self.rejections.append(RejectedMessage(indexes[found.index], reason, found.field, found.message))

    def refuse(self, index: int, error: InvalidArgumentError) -> None:
        """The message cannot even be sent."""
        field = error.metadata.get("field", "").removeprefix("document").removeprefix(".")
        reason = Reason.RECORD_TOO_LARGE if "limit" in error.metadata else error.reason
        self.rejections.append(RejectedMessage(index, reason, field, error.message))

    def result(self) -> Published:
        rejections = tuple(sorted(self.rejections, key=lambda rejection: rejection.index))
        return Published(self.stored, self.duplicates, rejections, self.last_sequence)


def _send(
    connection: Connection, request: pb.PublishRequest, timeout: float | None, patience: Patience
) -> pb.PublishResponse:
    while True:
        try:
            return connection.call(lambda stubs: stubs.provenance.Publish, request, timeout=timeout)
        except FlowceptError as error:
            # By this loop alone: gRPC gives up once an answer has begun, which may be cut off like any other.
            if not is_transient(error):
                raise
            patience.wait(error)


def _requests(
    messages: Iterable[Mapping[str, Any]], tally: _Tally, new_id: Callable[[], str]
) -> Iterator[tuple[pb.PublishRequest, list[int]]]:
    """The requests, each with the index of each of its messages."""
    request = pb.PublishRequest()
    indexes: list[int] = []
    size = 0
    for index, given in enumerate(messages):
        if not isinstance(given, Mapping):
            tally.refuse(index, _no_message(given))
            continue
        fields = dict(given)
        message_id = str(fields.pop("message_id", None) or new_id())
        try:
            document = encode_document(fields, "document")
        except InvalidArgumentError as error:
            tally.refuse(index, error)
            continue
        length = len(document.bson) + len(message_id) + _FRAME_BYTES
        if indexes and (len(indexes) == REQUEST_MESSAGES or size + length > REQUEST_BYTES):
            yield request, indexes
            request, indexes, size = pb.PublishRequest(), [], 0
        request.messages.append(pb.PublishMessage(message_id=message_id, document=document))
        indexes.append(index)
        size += length
    if indexes:
        yield request, indexes


def _no_message(given: object) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"the message is {shorten(given)} of type {type(given).__name__}; it must be a record or a dictionary",
        value=shorten(given),
    )
