from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from flowcept.v1.document_pb2 import Document
from flowcept.v1.event_pb2 import Event
from flowcept.v1.provenance_service_pb2 import SubscribeResponse
from flowcept_service.domain.events import EventAction, EventDraft, EventKind
from flowcept_service.events.codec import ProtobufEventEncoder, decode_events, frame_event, log_position, move_sequences
from flowcept_service.wire import field_ends, varint

SEQUENCES = st.integers(1, 2**63)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds are naive by contract
DRAFTS = st.builds(
    EventDraft,
    kind=st.sampled_from(EventKind),
    action=st.sampled_from(EventAction),
    id=TEXTS,
    workflow_id=TEXTS,
    campaign_id=TEXTS,
    activity_id=TEXTS,
    object_type=TEXTS,
    object_version=st.integers(0, 2**62),
    commit_time=TIMES,
    document=st.binary(max_size=20_000),
)


def as_message(draft: EventDraft, sequence: int) -> Event:
    event = Event(
        sequence=sequence,
        kind=f"EVENT_KIND_{draft.kind.name}",
        action=f"EVENT_ACTION_{draft.action.name}",
        id=draft.id,
        workflow_id=draft.workflow_id,
        campaign_id=draft.campaign_id,
        activity_id=draft.activity_id,
        object_type=draft.object_type,
        object_version=draft.object_version,
        document=Document(bson=draft.document),
    )
    event.commit_time.FromDatetime(draft.commit_time)
    return event


@given(st.lists(st.tuples(SEQUENCES, DRAFTS), max_size=4), SEQUENCES, SEQUENCES)
def test_joined_frames_are_a_subscribe_response(
    entries: list[tuple[int, EventDraft]], position: int, last_sequence: int
) -> None:
    encoder = ProtobufEventEncoder()
    frames = b"".join(encoder.frame(sequence, encoder.body(draft)) for sequence, draft in entries)

    response = SubscribeResponse.FromString(frames + log_position(position, last_sequence))

    expected = [as_message(draft, sequence) for sequence, draft in entries]
    assert response == SubscribeResponse(events=expected, position=position, last_sequence=last_sequence)


@given(SEQUENCES, DRAFTS)
def test_a_frame_has_the_bytes_that_protobuf_writes(sequence: int, draft: EventDraft) -> None:
    encoder = ProtobufEventEncoder()
    expected = SubscribeResponse(events=[as_message(draft, sequence)])
    assert encoder.frame(sequence, encoder.body(draft)) == expected.SerializeToString(deterministic=True)


@given(st.lists(st.tuples(SEQUENCES, DRAFTS), max_size=4), st.integers(0, 2**40))
def test_moved_sequences_are_all_that_changes(entries: list[tuple[int, EventDraft]], offset: int) -> None:
    encoder = ProtobufEventEncoder()
    bodies = [(sequence % 2**60, encoder.body(draft)) for sequence, draft in entries]

    moved = move_sequences(b"".join(encoder.frame(*entry) for entry in bodies), offset)

    assert moved == b"".join(encoder.frame(sequence + offset, body) for sequence, body in bodies)


@given(st.lists(st.tuples(SEQUENCES, DRAFTS), max_size=4), st.data())
def test_the_ends_of_frames_cut_them_apart(entries: list[tuple[int, EventDraft]], data: st.DataObject) -> None:
    encoder = ProtobufEventEncoder()
    frames = [encoder.frame(sequence, encoder.body(draft)) for sequence, draft in entries]
    first = data.draw(st.integers(0, len(frames)))
    offset = sum(map(len, frames[:first]))

    ends = field_ends(b"".join(frames), offset)

    starts = [offset, *ends[:-1]]
    assert [b"".join(frames)[start:end] for start, end in zip(starts, ends, strict=False)] == frames[first:]


@given(st.lists(st.tuples(SEQUENCES, DRAFTS), max_size=4))
def test_decoded_events_frame_to_the_same_bytes(entries: list[tuple[int, EventDraft]]) -> None:
    encoder = ProtobufEventEncoder()
    frames = [encoder.frame(sequence, encoder.body(draft)) for sequence, draft in entries]
    assert [frame_event(event) for event in decode_events(b"".join(frames))] == frames


@given(st.integers(0, 2**64 - 1))
def test_a_varint_is_read_back_by_protobuf(number: int) -> None:
    assert SubscribeResponse.FromString(b"\x10" + varint(number)).position == number
