"""Events in the encoding of the wire, which is also the one that the log keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from google.protobuf.message import DecodeError

from flowcept.v1.event_pb2 import Event
from flowcept.v1.provenance_service_pb2 import SubscribeResponse
from flowcept_service.domain.events import EventAction, EventBlock, EventDraft, EventKind, LoggedEvent
from flowcept_service.domain.identifiers import MAX_IDENTIFIER_BYTES
from flowcept_service.wire import read_varint, varint

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _TextTags(dict[int, bytes]):
    """What precedes a text in a field, by its length in bytes: the tag and the length; nothing for an empty one."""

    def __init__(self, tag: int) -> None:
        super().__init__({size: bytes((tag,)) + varint(size) for size in range(1, MAX_IDENTIFIER_BYTES + 1)})
        self[0] = b""
        self._tag = bytes((tag,))

    def __missing__(self, size: int) -> bytes:
        return self._tag + varint(size)


_ID, _WORKFLOW_ID, _CAMPAIGN_ID, _ACTIVITY_ID, _OBJECT_TYPE = map(_TextTags, (0x22, 0x2A, 0x32, 0x3A, 0x42))
_KIND_AND_ACTION = {
    (kind, action): b"\x10" + varint(kind) + b"\x18" + varint(action) for kind in EventKind for action in EventAction
}

_CONTEXT = slice(EventDraft._fields.index("workflow_id"), EventDraft._fields.index("commit_time"))
"""The fields of a draft that many events of a commit have in common; in the encoding, they stand together too."""


class ProtobufEventEncoder:
    """The ``EventEncoder`` of the service: ``flowcept.v1.Event``, framed as an entry of ``SubscribeResponse.events``.

    Written by hand, because every commit passes here: 1 us for an event, against 6 with the generated classes.
    """

    def __init__(self) -> None:
        # What the events of a commit have in common is kept encoded. Replaced as a whole: thread-safe.
        self._commit: tuple[datetime, dict[object, bytes]] = (_EPOCH, {})

    def body(self, draft: EventDraft) -> bytes:
        """All fields of the event but its sequence."""
        moment, contexts = self._commit
        if draft.commit_time is not moment:
            contexts = {}
            self._commit = (draft.commit_time, contexts)
        about = draft[_CONTEXT]
        context = contexts.get(about)
        if context is None:
            context = contexts[about] = _context(draft)
        event_id, document = draft.id.encode(), draft.document
        size = varint(len(document))
        return b"".join(
            (
                _KIND_AND_ACTION[draft.kind, draft.action],
                _ID[len(event_id)],
                event_id,
                context,
                b"\x5a",
                varint(1 + len(size) + len(document)),
                b"\x0a",
                size,
                document,
            )
        )

    @staticmethod
    def frame(sequence: int, body: bytes) -> bytes:
        """The event with its sequence, as an entry of ``SubscribeResponse.events``."""
        number = varint(sequence)
        return b"".join((b"\x0a", varint(1 + len(number) + len(body)), b"\x08", number, body))


class ProtobufEventReader:
    """The ``EventReader`` of the service."""

    def read(self, frames: bytes) -> Iterator[LoggedEvent]:
        """The events in joined frames, in order."""
        for event in decode_events(frames):
            yield LoggedEvent(
                kind=EventKind(event.kind),
                action=EventAction(event.action),
                id=event.id,
                commit_time=event.commit_time.ToDatetime(UTC),
                document=event.document.bson,
            )


def decode_events(frames: bytes) -> Sequence[Event]:
    """The events in joined frames; their strings and documents are made when asked for."""
    return SubscribeResponse.FromString(frames).events


def block_problem(block: EventBlock) -> str:
    """What is wrong with a block's events: that they cannot be decoded, or do not follow one another; else nothing."""
    try:
        sequences = [event.sequence for event in decode_events(block.frames)]
    except DecodeError:
        return "the events cannot be decoded"
    if sequences == list(range(block.first, block.last + 1)):
        return ""
    return f"the block is to hold events {block.first} to {block.last}, and holds {len(sequences)} others"


def frame_event(event: Event) -> bytes:
    """An event as an entry of ``SubscribeResponse.events``."""
    data = event.SerializeToString()
    return b"".join((b"\x0a", varint(len(data)), data))


def move_sequences(frames: bytes, offset: int) -> bytes:
    """Joined frames with every sequence greater by an offset; everything else stays as it is, byte for byte."""
    moved: list[bytes] = []
    at = 0
    while at < len(frames):
        size, start = read_varint(frames, at + 1)  # behind the tag of an event
        sequence, body = read_varint(frames, start + 1)  # behind the tag of the sequence, which comes first
        at = start + size
        moved.append(ProtobufEventEncoder.frame(sequence + offset, frames[body:at]))
    return b"".join(moved)


def log_position(position: int, last_sequence: int) -> bytes:
    """The fields of a ``SubscribeResponse`` that follow its events; by themselves, a heartbeat."""
    return b"".join((b"\x10", varint(position), b"\x18", varint(last_sequence)))


def _context(draft: EventDraft) -> bytes:
    """The fields of ``_CONTEXT`` and the time of the commit."""
    workflow_id, campaign_id = draft.workflow_id.encode(), draft.campaign_id.encode()
    activity_id, object_type = draft.activity_id.encode(), draft.object_type.encode()
    return b"".join(
        (
            _WORKFLOW_ID[len(workflow_id)],
            workflow_id,
            _CAMPAIGN_ID[len(campaign_id)],
            campaign_id,
            _ACTIVITY_ID[len(activity_id)],
            activity_id,
            _OBJECT_TYPE[len(object_type)],
            object_type,
            b"\x48" + varint(draft.object_version) if draft.object_version else b"",
            _commit_time(draft.commit_time),
        )
    )


def _commit_time(moment: datetime) -> bytes:
    elapsed = moment - _EPOCH
    seconds = elapsed.days * 86_400 + elapsed.seconds
    time = b"\x08" + varint(seconds) if seconds else b""
    if elapsed.microseconds:
        time += b"\x10" + varint(elapsed.microseconds * 1000)
    return b"\x52" + varint(len(time)) + time
