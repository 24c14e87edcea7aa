from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import bson
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from flowcept.errors import InvalidArgumentError, OutOfRangeError, Reason, ResourceExhaustedError, UnavailableError
from flowcept.v1.document_pb2 import DOCUMENT_ENCODING_JSON
from flowcept.v1.event_pb2 import (
    EVENT_ACTION_CREATED,
    EVENT_ACTION_UPDATED,
    EVENT_KIND_AGENT,
    EVENT_KIND_TASK,
    EVENT_KIND_WORKFLOW,
    Event,
)
from flowcept.v1.provenance_service_pb2 import (
    LOG_EDGE_EARLIEST,
    LOG_EDGE_LATEST,
    EventFilter,
    PublishRequest,
    Shard,
    SubscribeRequest,
)
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.domain.retention import Retention
from flowcept_service.server.service import Service
from tests.rpc.provenance.conftest import connected
from tests.support.conditions import eventually
from tests.support.provenance import DEADLINE, batch, document, events_until, find, message, refused, subscribe, task
from tests.support.server import service_in_process

QUICK_HEARTBEAT = Duration(nanos=100_000_000)


def sequences(events: list[Event]) -> list[int]:
    return [event.sequence for event in events]


def publish_tasks(stub: ProvenanceStub, count: int, batch_size: int = 500, **fields: Any) -> int:
    """Publish tasks t0, t1, ...; the last sequence."""
    last = 0
    for start in range(0, count, batch_size):
        numbers = range(start, min(start + batch_size, count))
        messages = [task(f"t{n}", workflow_id=f"w{n % 7}", **fields) for n in numbers]
        last = stub.Publish(PublishRequest(messages=messages), timeout=DEADLINE).last_sequence
    return last


def test_an_event_tells_what_happened_to_what(stub: ProvenanceStub) -> None:
    before = datetime.now(UTC)
    fields = {"workflow_id": "w", "campaign_id": "c", "activity_id": "train"}
    stub.Publish(batch(task("t", **fields)))
    stub.Publish(batch(task("t", status="FINISHED")))
    created, updated = events_until(subscribe(stub, edge=LOG_EDGE_EARLIEST), 2)
    about = (created.sequence, created.kind, created.action, created.id)
    assert about == (1, EVENT_KIND_TASK, EVENT_ACTION_CREATED, "t")
    assert (created.workflow_id, created.campaign_id, created.activity_id) == ("w", "c", "train")
    assert before <= created.commit_time.ToDatetime(UTC) <= datetime.now(UTC)
    assert (updated.sequence, updated.action) == (2, EVENT_ACTION_UPDATED)
    assert bson.decode(updated.document.bson)["status"] == "FINISHED"


def test_an_event_has_the_record_as_a_query_shows_it(stub: ProvenanceStub) -> None:
    stub.Publish(batch(task("t", used={"x": 1})))
    [event] = events_until(subscribe(stub, edge=LOG_EDGE_EARLIEST), 1)
    [record] = find(stub)
    assert bson.decode(event.document.bson, bson.CodecOptions(tz_aware=True)) == record


def test_a_late_subscriber_sees_everything_that_was_published_before(stub: ProvenanceStub) -> None:
    last = publish_tasks(stub, 1200)
    events = events_until(subscribe(stub, edge=LOG_EDGE_EARLIEST), last)
    assert sequences(events) == list(range(1, 1201))
    assert {event.id for event in events} == {f"t{n}" for n in range(1200)}


def test_a_live_subscriber_sees_what_is_published_after_it_began(stub: ProvenanceStub) -> None:
    publish_tasks(stub, 3)
    stream = subscribe(stub, edge=LOG_EDGE_LATEST)
    stub.Publish(batch(task("new")))
    assert [(event.sequence, event.id) for event in events_until(stream, 4)] == [(4, "new")]


def test_a_broken_stream_goes_on_behind_its_last_position(stub: ProvenanceStub) -> None:
    publish_tasks(stub, 10)
    stream = subscribe(stub, after_sequence=0)
    position = next(stream).position
    stream.cancel()
    last = publish_tasks(stub, 20)
    rest = events_until(subscribe(stub, after_sequence=position), last)
    assert sequences(rest) == list(range(position + 1, last + 1))


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (EventFilter(kinds=[EVENT_KIND_WORKFLOW, EVENT_KIND_AGENT]), ["w", "a"]),
        (EventFilter(workflow_ids=["w"]), ["w", "t1", "a"]),
        (EventFilter(campaign_ids=["c2"]), ["t2"]),
        (EventFilter(activity_ids=["train"]), ["t1", "t2"]),
        (EventFilter(document=document({"used.lr": {"$in": [0.1, 0.3]}})), ["t1", "t3"]),
        (EventFilter(kinds=[EVENT_KIND_TASK], workflow_ids=["w"]), ["t1"]),
        (EventFilter(object_types=["ml_model"]), []),
    ],
)
def test_a_filter_sends_only_what_matches_and_moves_on_over_the_rest(
    stub: ProvenanceStub, filter: EventFilter, expected: list[str]
) -> None:
    stub.Publish(
        batch(
            message({"type": "workflow", "workflow_id": "w"}),
            task("t1", workflow_id="w", campaign_id="c1", activity_id="train", used={"lr": 0.1}),
            task("t2", workflow_id="v", campaign_id="c2", activity_id="train", used={"lr": 0.2}),
            task("t3", used={"lr": 0.3}),
            message({"type": "agent", "agent_id": "a", "workflow_id": "w"}),
            task("t4"),
        )
    )
    stream = subscribe(stub, after_sequence=0, filter=filter, heartbeat_interval=QUICK_HEARTBEAT)
    assert [event.id for event in events_until(stream, 6)] == expected


def test_heartbeats_carry_the_position_of_a_filter_that_matches_nothing(stub: ProvenanceStub) -> None:
    stream = subscribe(stub, filter=EventFilter(workflow_ids=["no such"]), heartbeat_interval=QUICK_HEARTBEAT)
    last = publish_tasks(stub, 50)
    assert events_until(stream, last) == []


def test_an_idle_stream_sends_heartbeats(stub: ProvenanceStub) -> None:
    stream = subscribe(stub, heartbeat_interval=QUICK_HEARTBEAT)
    beats = [next(stream) for _ in range(3)]
    assert [(list(beat.events), beat.position, beat.last_sequence) for beat in beats] == [([], 0, 0)] * 3


def test_the_members_of_a_group_share_the_events_by_workflow(stub: ProvenanceStub) -> None:
    last = publish_tasks(stub, 100)
    stub.Publish(batch(task("no workflow")))
    shares = []
    for index in range(3):
        shard = Shard(index=index, count=3)
        stream = subscribe(stub, after_sequence=0, shard=shard, heartbeat_interval=QUICK_HEARTBEAT)
        shares.append(events_until(stream, last + 1))
    assert sorted(sequence for share in shares for sequence in sequences(share)) == list(range(1, last + 2))
    for index, share in enumerate(shares):
        assert sequences(share) == sorted(sequences(share))
        assert {crc32((event.workflow_id or event.id).encode()) % 3 for event in share} <= {index}


def test_documents_come_as_json_when_asked_for_and_not_at_all_when_omitted(stub: ProvenanceStub) -> None:
    stub.Publish(batch(task("t", used={"x": 1})))
    [as_json] = events_until(subscribe(stub, after_sequence=0, encoding=DOCUMENT_ENCODING_JSON), 1)
    [without] = events_until(subscribe(stub, after_sequence=0, omit_documents=True), 1)
    assert json.loads(as_json.document.json)["used"] == {"x": 1}
    assert (without.id, without.HasField("document")) == ("t", False)


def test_what_was_trimmed_is_an_error_that_names_the_oldest_sequence(service: Service, stub: ProvenanceStub) -> None:
    publish_tasks(stub, 10, batch_size=5)
    service.storage.sweep(Retention(events_seconds=0.0), datetime.now(UTC).replace(year=2100))
    publish_tasks(stub, 5)
    with refused() as errors:
        events_until(subscribe(stub, after_sequence=3), 15)
    assert isinstance(errors[0], OutOfRangeError)
    assert errors[0].reason is Reason.EVENTS_TRIMMED
    oldest = int(errors[0].metadata["oldest_sequence"])
    assert sequences(events_until(subscribe(stub, after_sequence=oldest - 1), 15)) == list(range(oldest, 16))
    assert sequences(events_until(subscribe(stub, edge=LOG_EDGE_EARLIEST), 15)) == list(range(oldest, 16))


def test_what_is_not_reached_yet_is_an_error_that_names_the_last_sequence(stub: ProvenanceStub) -> None:
    publish_tasks(stub, 3)
    with refused() as errors:
        subscribe(stub, after_sequence=4)
    assert errors[0].reason is Reason.SEQUENCE_NOT_REACHED
    assert errors[0].metadata["last_sequence"] == "3"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"edge": 9}, "edge"),
        ({"consumer": "c" * 256}, "consumer"),
        ({"filter": EventFilter(kinds=["EVENT_KIND_UNSPECIFIED"])}, "filter.kinds"),
        ({"shard": Shard(index=2, count=2)}, "shard.index"),
        ({"shard": Shard()}, "shard.index"),
        ({"heartbeat_interval": Duration(nanos=1)}, "heartbeat_interval"),
        ({"heartbeat_interval": Duration(seconds=-1)}, "heartbeat_interval"),
        ({"encoding": 9}, "encoding"),
    ],
)
def test_a_request_that_makes_no_sense_names_the_field(stub: ProvenanceStub, given: dict[str, Any], field: str) -> None:
    with refused() as errors:
        subscribe(stub, **given)
    assert isinstance(errors[0], InvalidArgumentError)
    assert errors[0].metadata["field"] == field


def test_an_operator_that_runs_code_is_refused_in_a_document_filter(stub: ProvenanceStub) -> None:
    with refused() as errors:
        subscribe(stub, filter=EventFilter(document=document({"$where": "1"})))
    assert errors[0].reason is Reason.UNSUPPORTED_OPERATOR


def test_a_burst_with_a_slow_consumer_loses_nothing_and_delays_nobody(stub: ProvenanceStub) -> None:
    stalled = subscribe(stub, after_sequence=0)  # reads no further until the burst is over
    with ThreadPoolExecutor(1) as pool:
        quick = pool.submit(events_until, subscribe(stub, after_sequence=0), 3000)
        last = publish_tasks(stub, 3000, batch_size=300, used={"pad": "x" * 4500})
        assert sequences(quick.result(timeout=DEADLINE)) == list(range(1, last + 1))
    assert sequences(events_until(stalled, last)) == list(range(1, last + 1))


def test_subscriptions_are_bounded_apart_from_other_calls(tmp_path: Path) -> None:
    with (
        service_in_process(tmp_path, limits={"max_subscriptions": 3, "max_calls": 1}) as service,
        connected(service) as stub,
    ):
        streams = [subscribe(stub) for _ in range(3)]
        with refused() as errors:
            subscribe(stub)
        assert isinstance(errors[0], ResourceExhaustedError)
        assert (errors[0].reason, errors[0].metadata["limit"]) == (Reason.TOO_MANY_SUBSCRIPTIONS, "3")
        assert stub.Publish(batch(task("t")), timeout=DEADLINE).stored_count == 1
        assert len(find(stub)) == 1
        streams[0].cancel()
        eventually(lambda: service.subscriptions.active == 2)
        assert [event.id for event in events_until(subscribe(stub, after_sequence=0), 1)] == ["t"]


def test_a_cancelled_subscription_gives_its_place_back(service: Service, stub: ProvenanceStub) -> None:
    for _ in range(3):
        streams = [subscribe(stub) for _ in range(8)]
        for stream in streams:
            stream.cancel()
        eventually(lambda: service.subscriptions.active == 0)


def test_draining_ends_subscriptions_with_a_reason(tmp_path: Path) -> None:
    with service_in_process(tmp_path) as service, connected(service) as stub:
        stream = subscribe(stub)
        stopping = threading.Thread(target=service.stop, args=(DEADLINE,))
        stopping.start()
        with refused() as errors:
            next(stream)
        stopping.join(DEADLINE)
    assert isinstance(errors[0], UnavailableError)
    assert errors[0].reason is Reason.DRAINING


def test_the_first_response_is_a_heartbeat_on_the_wire(service: Service) -> None:
    with grpc.insecure_channel(service.target) as channel:
        raw: Any = channel.unary_stream("/flowcept.v1.Provenance/Subscribe")
        call = raw(SubscribeRequest().SerializeToString(), timeout=DEADLINE)
        assert next(iter(call)) == b"\x10\x00\x18\x00"  # position 0, last_sequence 0
        call.cancel()
