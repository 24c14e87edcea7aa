"""Following the event log through broken connections and restarts."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import pytest

from flowcept.db import DBAPI
from flowcept.errors import InvalidArgumentError, NotFoundError, OutOfRangeError, Reason, UnavailableError
from flowcept.transport import EventAction, EventKind, EventSelection, Subscription
from tests.client.conftest import PATIENT, Connect
from tests.support.conditions import PATIENCE, eventually
from tests.support.server import ServerProcess


def tasks(count: int, first: int = 0, **fields: Any) -> list[dict[str, Any]]:
    return [{"type": "task", "task_id": f"t{number}", **fields} for number in range(first, first + count)]


def take(events: Subscription, count: int) -> list[Any]:
    taken = []
    for event in events:
        taken.append(event)
        if len(taken) == count:
            break
    return taken


def test_a_late_subscriber_gets_everything_from_the_first_event(fresh: DBAPI) -> None:
    fresh.publish(tasks(300))

    with fresh.events(0) as events:
        found = take(events, 300)

    assert [event.sequence for event in found] == list(range(1, 301))
    assert {(event.kind, event.action) for event in found} == {(EventKind.TASK, EventAction.CREATED)}
    assert found[0].document["task_id"] == found[0].id == "t0"


def test_live_events_come_as_they_are_committed(fresh: DBAPI) -> None:
    with fresh.events() as events:
        events.open()
        fresh.publish(tasks(1, workflow_id="w", activity_id="a"))
        [event] = take(events, 1)

    assert (event.id, event.workflow_id, event.activity_id) == ("t0", "w", "a")
    assert event.object_version is None
    assert event.commit_time.utcoffset() is not None


def test_events_are_selected_by_kind_workflow_and_document(fresh: DBAPI) -> None:
    fresh.publish([*tasks(3, workflow_id="a"), {"type": "workflow", "workflow_id": "a"}])
    fresh.publish(tasks(3, 3, workflow_id="b", used={"x": 1}))
    fresh.publish(tasks(1, 6, workflow_id="b", used={"x": 2}))

    def ids(count: int, **selection: Any) -> list[str]:
        with fresh.events(0, selection=EventSelection(**selection)) as events:
            return [event.id for event in take(events, count)]

    assert ids(1, kinds=["workflow"]) == ["a"]
    assert ids(3, kinds=[EventKind.TASK], workflow_ids=["a"]) == ["t0", "t1", "t2"]
    assert ids(1, document={"used.x": {"$gt": 1}}) == ["t6"]


def test_documents_can_be_left_out(fresh: DBAPI) -> None:
    fresh.publish(tasks(1))

    with fresh.events("earliest", omit_documents=True) as events:
        assert take(events, 1)[0].document == {}


def test_members_of_a_group_share_the_workflows(fresh: DBAPI) -> None:
    fresh.publish([{"type": "task", "task_id": f"t{n}", "workflow_id": f"w{n % 10}"} for n in range(100)])
    shares = []
    for index in range(2):
        with fresh.events(0, selection=EventSelection(shard=(index, 2)), heartbeat=0.1) as events:
            found: list[Any] = []
            for batch in events.batches():
                found += batch.events
                if batch.position == 100:
                    break
            shares.append(found)

    assert sorted(event.sequence for share in shares for event in share) == list(range(1, 101))
    assert not {event.workflow_id for event in shares[0]} & {event.workflow_id for event in shares[1]}


def test_heartbeats_move_the_position_of_an_idle_selection(fresh: DBAPI) -> None:
    with fresh.events(selection=EventSelection(kinds=["agent"]), heartbeat=0.1) as events:
        events.open()
        fresh.publish(tasks(5))
        position = next(batch.position for batch in events.batches() if batch.position)

    assert position == 5


def test_a_subscriber_outlives_restarts_and_misses_nothing(tmp_path: Path, connect: Connect) -> None:
    with ServerProcess(tmp_path) as server:
        db = connect(server.target, retry=PATIENT)
        seen: list[int] = []
        with db.events(0) as events:

            def follow() -> None:
                seen.extend(event.sequence for event in take(events, 300))

            thread = threading.Thread(target=follow)
            thread.start()
            for round_ in range(3):
                db.publish(tasks(100, 100 * round_))
                server.restart()
            thread.join(PATIENCE)

    assert seen == list(range(1, 301))


def test_closing_from_another_thread_ends_the_iteration(fresh: DBAPI) -> None:
    events = fresh.events()
    events.open()
    thread = threading.Thread(target=lambda: list(events))
    thread.start()

    events.close()

    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert events.is_closed


def test_closing_ends_the_wait_for_a_service_that_is_away(tmp_path: Path, connect: Connect) -> None:
    with ServerProcess(tmp_path) as server:
        events = connect(server.target, retry={"initial_backoff": 3600.0, "max_backoff": 3600.0}).events()
        events.open()
        thread = threading.Thread(target=lambda: list(events))
        thread.start()
        server.kill()

        eventually(lambda: events._stream is None)
        events.close()

        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_service_that_never_answered_is_given_up(connect: Connect) -> None:
    db = connect("127.0.0.1:1", retry={"max_attempts": 2, "initial_backoff": 0.01}, connect_timeout=0.2)

    with db.events() as events, pytest.raises(UnavailableError):
        events.open()


def test_a_sequence_that_is_not_reached_is_out_of_range(fresh: DBAPI) -> None:
    with fresh.events(7) as events, pytest.raises(OutOfRangeError) as caught:
        events.open()

    assert caught.value.reason is Reason.SEQUENCE_NOT_REACHED


def test_a_deleted_consumer_is_made_anew_by_its_next_subscription(fresh: DBAPI) -> None:
    fresh.publish(tasks(5))
    fresh.acknowledge("c", 4)

    assert fresh.delete_consumer("c") == 4

    with pytest.raises(NotFoundError):
        fresh.delete_consumer("c")
    with fresh.events(0, consumer="c") as events:
        assert [event.sequence for event in take(events, 5)] == [1, 2, 3, 4, 5]


def test_a_durable_consumer_starts_behind_what_it_acknowledged(fresh: DBAPI) -> None:
    fresh.publish(tasks(10))
    with fresh.events(0, consumer="c") as events:
        take(events, 10)

    assert fresh.acknowledge("c", 4) == 4
    assert fresh.acknowledge("c", 2) == 4

    with fresh.events(0, consumer="c") as events:
        assert take(events, 1)[0].sequence == 5


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"start": "newest"}, "start"),
        ({"start": -1}, "start"),
        ({"selection": EventSelection(kinds=["blob"])}, "kinds"),
        ({"start": ["latest"]}, "start"),
        ({"consumer": 5}, "consumer"),
        ({"heartbeat": "1"}, "heartbeat"),
        ({"heartbeat": math.nan}, "heartbeat"),
        ({"selection": {"kinds": ["task"]}}, "selection"),
        ({"selection": EventSelection(kinds="task")}, "kinds"),
        ({"selection": EventSelection(kinds=[5])}, "kinds"),  # type: ignore[list-item]  # the mistake under test
        ({"selection": EventSelection(workflow_ids="w")}, "workflow_ids"),
        ({"selection": EventSelection(activity_ids=["a", 5])}, "activity_ids.1"),  # type: ignore[list-item]  # likewise
        ({"selection": EventSelection(shard=(1,))}, "shard"),  # type: ignore[arg-type]  # likewise
        ({"selection": EventSelection(shard=(-1, 2))}, "shard.index"),
        ({"selection": EventSelection(shard=(0, 2.5))}, "shard.count"),  # type: ignore[arg-type]  # likewise
    ],
)
def test_a_wrong_argument_is_named(fresh: DBAPI, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        fresh.events(**arguments)

    assert caught.value.metadata["field"] == field


@pytest.mark.parametrize("sequence", [-1, 1 << 64, "4", True])
def test_what_is_no_sequence_is_not_acknowledged(fresh: DBAPI, sequence: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="sequence is"):
        fresh.acknowledge("c", sequence)
