from zlib import crc32

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowcept.v1.document_pb2 import Document
from flowcept.v1.event_pb2 import Event
from flowcept_service.domain.events import EventBlock, EventDraft, EventKind
from flowcept_service.events.codec import ProtobufEventEncoder, decode_events
from flowcept_service.events.selection import AS_KEPT, EVERYTHING, Form, Selection, Shard, pack, select
from flowcept_service.query import compile_filter
from tests.support.events import draft

LIMIT = 1 << 20
WORKFLOWS = st.sampled_from(["", "w1", "w2", "w3"])
DRAFTS = st.lists(st.builds(lambda i, w: draft(f"t{i}", workflow_id=w), st.integers(0, 50), WORKFLOWS), max_size=20)


def block_of(drafts: list[EventDraft], first: int = 1) -> EventBlock:
    encoder = ProtobufEventEncoder()
    frames = [encoder.frame(first + i, encoder.body(item)) for i, item in enumerate(drafts)]
    return EventBlock(first, first + len(frames) - 1, b"".join(frames))


def selected(
    block: EventBlock, selection: Selection = EVERYTHING, form: Form = AS_KEPT, *, after: int = 0, limit: int = LIMIT
) -> list[Event]:
    pieces = [frames for _, frames in select(block, after, selection, form, limit)]
    return list(decode_events(b"".join(pieces)))


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events]


def test_everything_as_kept_passes_in_one_piece() -> None:
    block = block_of([draft("a"), draft("b")], first=7)
    assert list(select(block, 6, EVERYTHING, AS_KEPT, LIMIT)) == [(8, block.frames)]


def test_events_that_were_seen_are_cut_off_the_first_block() -> None:
    block = block_of([draft("a"), draft("b"), draft("c")], first=7)
    [(reached, frames)] = select(block, 7, EVERYTHING, AS_KEPT, LIMIT)
    assert reached == 9
    assert ids(list(decode_events(frames))) == ["b", "c"]


def test_a_block_beyond_the_limit_comes_event_by_event() -> None:
    block = block_of([draft("a"), draft("b"), draft("c")], first=7)
    pieces = list(select(block, 7, EVERYTHING, AS_KEPT, 10))
    assert [reached for reached, _ in pieces] == [8, 9]
    assert ids(list(decode_events(b"".join(frames for _, frames in pieces)))) == ["b", "c"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(kinds=frozenset({EventKind.WORKFLOW})), ["w1"]),
        (Selection(workflow_ids=frozenset({"w1", "w9"})), ["t1", "w1"]),
        (Selection(campaign_ids=frozenset({"c2"})), ["t2"]),
        (Selection(activity_ids=frozenset({"train"})), ["t1"]),
        (Selection(object_types=frozenset({"ml_model"})), ["o1"]),
        (Selection(document=compile_filter({"used.lr": {"$gt": 0.05}})), ["t2"]),
        (Selection(workflow_ids=frozenset({"w1"}), kinds=frozenset({EventKind.TASK})), ["t1"]),
        (Selection(workflow_ids=frozenset({"w1"}), campaign_ids=frozenset({"c2"})), []),
    ],
)
def test_an_event_is_sent_if_it_matches_every_part_of_the_filter(selection: Selection, expected: list[str]) -> None:
    block = block_of(
        [
            draft("t1", workflow_id="w1", campaign_id="c1", activity_id="train", document={"used": {"lr": 0.01}}),
            draft("t2", workflow_id="w2", campaign_id="c2", activity_id="test", document={"used": {"lr": 0.1}}),
            draft("w1", kind=EventKind.WORKFLOW, workflow_id="w1"),
            draft("o1", kind=EventKind.OBJECT, object_type="ml_model"),
        ]
    )
    assert ids(selected(block, selection)) == expected


@given(DRAFTS.filter(bool), st.data(), WORKFLOWS)
def test_filtered_events_keep_their_bytes_and_tell_their_sequence(
    drafts: list[EventDraft], data: st.DataObject, workflow: str
) -> None:
    after = data.draw(st.integers(0, len(drafts) - 1))
    block = block_of(drafts, first=1)
    expected = [
        (sequence, block_of([item], first=sequence).frames)
        for sequence, item in enumerate(drafts, 1)
        if sequence > after and item.workflow_id == workflow
    ]
    pieces = list(select(block, after, Selection(workflow_ids=frozenset({workflow})), AS_KEPT, LIMIT))
    assert pieces == expected


@given(DRAFTS, st.integers(1, 5))
def test_the_members_of_a_group_share_the_events_exactly(drafts: list[EventDraft], count: int) -> None:
    block = block_of(drafts)
    shares = [selected(block, Selection(shard=Shard(index, count))) for index in range(count)]
    assert sorted(event.sequence for share in shares for event in share) == list(range(1, len(drafts) + 1))


@given(DRAFTS, st.integers(1, 5))
def test_the_share_of_a_member_is_the_crc_32_of_the_workflow_or_else_of_the_id(
    drafts: list[EventDraft], count: int
) -> None:
    for index in range(count):
        share = selected(block_of(drafts), Selection(shard=Shard(index, count)))
        assert {crc32((event.workflow_id or event.id).encode()) % count for event in share} <= {index}


def test_a_document_can_be_left_out() -> None:
    [event] = selected(block_of([draft("a", workflow_id="w")]), form=Form(omit_documents=True))
    assert (event.sequence, event.id, event.workflow_id, event.HasField("document")) == (1, "a", "w", False)


def test_a_document_can_be_encoded_anew() -> None:
    block = block_of([draft("a", document={"x": 1})])
    [event] = selected(block, form=Form(recode=lambda data: Document(json=str(bson.decode(data)))))
    assert event.document.json == "{'x': 1}"


@given(st.lists(st.binary(min_size=1, max_size=30)), st.integers(1, 60))
def test_packs_hold_all_pieces_in_order_within_the_limit(pieces: list[bytes], limit: int) -> None:
    packs = list(pack(enumerate(pieces, 1), limit))
    assert b"".join(frames for _, frames in packs) == b"".join(pieces)
    sizes = {sequence: len(piece) for sequence, piece in enumerate(pieces, 1)}
    assert all(len(frames) <= limit or len(frames) == sizes[reached] for reached, frames in packs)
    assert [reached for reached, _ in packs][-1:] == [len(pieces)][: len(packs)]
