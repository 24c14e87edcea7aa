from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flowcept.errors import OutOfRangeError, Reason, ResourceExhaustedError, UnavailableError
from flowcept.v1.provenance_service_pb2 import SubscribeResponse
from flowcept_service.events.consumers import LogEdge
from flowcept_service.events.selection import Selection
from flowcept_service.events.subscription import Subscription, Subscriptions, SubscriptionSettings
from tests.support.clock import Clock
from tests.support.conditions import PATIENCE
from tests.support.events import MemoryLog, draft

QUICK = SubscriptionSettings(max_subscriptions=3, check_seconds=0.01)


def always() -> bool:
    return True


def responses(
    log: MemoryLog,
    subscription: Subscription,
    *,
    settings: SubscriptionSettings = QUICK,
    is_wanted: Callable[[], bool] = always,
    clock: Callable[[], float] | None = None,
) -> Iterator[SubscribeResponse]:
    stream = Subscriptions(log, settings, clock or Clock()).stream(subscription, is_wanted)
    return map(SubscribeResponse.FromString, stream)


def events_until(stream: Iterator[SubscribeResponse], position: int) -> list[int]:
    """The sequences that a stream sends until its position is reached."""
    sequences: list[int] = []
    for response in stream:
        sequences += [event.sequence for event in response.events]
        if response.position >= position:
            return sequences
    raise AssertionError("the stream ended")


def filled(count: int) -> MemoryLog:
    log = MemoryLog()
    for index in range(count):
        log.append([draft(f"t{index}", workflow_id=f"w{index % 2}")])
    return log


def test_the_first_response_tells_where_the_stream_starts() -> None:
    first = next(responses(filled(5), Subscription(start=LogEdge.LATEST)))
    assert (list(first.events), first.position, first.last_sequence) == ([], 5, 5)


def test_the_latest_edge_sends_only_what_is_committed_from_now_on() -> None:
    log = filled(5)
    stream = responses(log, Subscription(start=LogEdge.LATEST))
    next(stream)
    log.append([draft("new")])
    assert events_until(stream, 6) == [6]


def test_the_earliest_edge_sends_everything_that_is_held() -> None:
    log = filled(5)
    log.trim(3)
    assert events_until(responses(log, Subscription(start=LogEdge.EARLIEST)), 5) == [3, 4, 5]


def test_after_a_sequence_the_stream_goes_on_with_the_next() -> None:
    assert events_until(responses(filled(5), Subscription(start=3)), 5) == [4, 5]


def test_a_start_within_a_commit_sends_only_its_rest() -> None:
    log = MemoryLog()
    log.append([draft("a"), draft("b"), draft("c")])
    assert events_until(responses(log, Subscription(start=2)), 3) == [3]


def test_a_start_that_was_trimmed_names_the_oldest_sequence() -> None:
    log = filled(5)
    log.trim(4)
    with pytest.raises(OutOfRangeError) as raised:
        next(responses(log, Subscription(start=2)))
    assert raised.value.reason is Reason.EVENTS_TRIMMED
    assert raised.value.metadata["oldest_sequence"] == "4"


def test_a_start_just_before_the_oldest_event_is_not_trimmed() -> None:
    log = filled(5)
    log.trim(4)
    assert events_until(responses(log, Subscription(start=3)), 5) == [4, 5]


def test_a_start_beyond_the_log_names_the_last_sequence() -> None:
    with pytest.raises(OutOfRangeError) as raised:
        next(responses(filled(5), Subscription(start=6)))
    assert raised.value.reason is Reason.SEQUENCE_NOT_REACHED
    assert raised.value.metadata["last_sequence"] == "5"


def test_trimming_that_overtakes_a_subscriber_is_an_error_and_not_a_jump() -> None:
    log = filled(5)
    stream = responses(log, Subscription(start=0), settings=SubscriptionSettings(batch_bytes=1))
    next(stream)
    next(stream)
    log.trim(4)
    with pytest.raises(OutOfRangeError, match="no longer held"):
        list(itertools.islice(stream, 5))


def test_batches_stay_within_their_size_and_lose_nothing() -> None:
    log = MemoryLog()
    log.append(draft(f"t{i}", document={"x": "y" * 100}) for i in range(50))
    log.append(draft(f"u{i}", document={"x": "y" * 100}) for i in range(50))
    stream = responses(log, Subscription(start=0), settings=SubscriptionSettings(batch_bytes=1000))
    sequences: list[int] = []
    for response in stream:
        assert response.ByteSize() <= 1000 + 12
        sequences += [event.sequence for event in response.events]
        if response.position == 100:
            break
        assert not sequences or response.position == sequences[-1]
    assert sequences == list(range(1, 101))


def test_an_event_larger_than_a_batch_goes_alone() -> None:
    log = MemoryLog()
    log.append([draft("small"), draft("large", document={"x": "y" * 5000}), draft("small")])
    stream = responses(log, Subscription(start=0), settings=SubscriptionSettings(batch_bytes=1000))
    assert [len(response.events) for response in itertools.islice(stream, 4)] == [0, 1, 1, 1]


def test_heartbeats_move_the_position_of_a_filter_that_matches_nothing() -> None:
    selection = Selection(workflow_ids=frozenset({"none of these"}))
    stream = responses(filled(5), Subscription(0, "", selection, heartbeat_seconds=1.0), clock=Clock(step=0.3))
    next(stream)
    heartbeat = next(stream)
    assert (list(heartbeat.events), heartbeat.position, heartbeat.last_sequence) == ([], 5, 5)


def test_heartbeats_keep_coming_while_a_long_stretch_is_filtered_out() -> None:
    log = MemoryLog()
    for _ in range(10):
        log.append([draft("t", document={"x": "y" * 500})])
    selection = Selection(workflow_ids=frozenset({"none of these"}))
    stream = responses(
        log,
        Subscription(0, "", selection, heartbeat_seconds=1.0),
        settings=SubscriptionSettings(batch_bytes=1),
        clock=Clock(step=0.5),
    )
    positions = [response.position for response in itertools.islice(stream, 6)]
    assert positions == sorted(positions)
    assert len(set(positions)) > 3


def test_the_position_covers_what_was_filtered_out_behind_the_last_match() -> None:
    stream = responses(filled(5), Subscription(0, "", Selection(workflow_ids=frozenset({"w1"}))))
    next(stream)
    response = next(stream)
    assert ([event.sequence for event in response.events], response.position) == ([2, 4], 5)


def test_a_new_consumer_starts_where_it_is_told_and_is_remembered_there() -> None:
    log = filled(5)
    next(responses(log, Subscription(start=LogEdge.LATEST, consumer="c")))
    log.append([draft("while away")])
    assert events_until(responses(log, Subscription(start=LogEdge.LATEST, consumer="c")), 6) == [6]


def test_a_known_consumer_starts_behind_what_it_acknowledged() -> None:
    log = filled(5)
    log.acknowledge("c", 3)
    assert events_until(responses(log, Subscription(start=LogEdge.EARLIEST, consumer="c")), 5) == [4, 5]


def test_a_consumer_whose_events_were_trimmed_is_told_how_to_go_on() -> None:
    log = filled(5)
    log.acknowledge("c", 1)
    log.trim(4)
    with pytest.raises(OutOfRangeError, match="The durable consumer stands there: acknowledge 3"):
        next(responses(log, Subscription(consumer="c")))
    log.acknowledge("c", 3)
    assert events_until(responses(log, Subscription(consumer="c")), 5) == [4, 5]


def test_one_subscription_too_many_is_refused_until_another_ends() -> None:
    subscriptions = Subscriptions(filled(1), QUICK, Clock())
    streams = [subscriptions.stream(Subscription(), always) for _ in range(4)]
    for stream in streams[:3]:
        next(stream)
    with pytest.raises(ResourceExhaustedError) as raised:
        next(streams[3])
    assert raised.value.reason is Reason.TOO_MANY_SUBSCRIPTIONS
    assert raised.value.metadata["limit"] == "3"

    streams[0].close()

    next(subscriptions.stream(Subscription(), always))
    assert subscriptions.active == 2  # the last one ended with its only reference


def test_a_subscription_that_fails_to_start_takes_no_place() -> None:
    subscriptions = Subscriptions(filled(1), QUICK, Clock())
    with pytest.raises(OutOfRangeError):
        next(subscriptions.stream(Subscription(start=9), always))
    assert subscriptions.active == 0


def test_a_subscription_ends_soon_after_its_subscriber_has_gone() -> None:
    gone = threading.Event()
    stream = responses(filled(1), Subscription(heartbeat_seconds=3600), is_wanted=lambda: not gone.is_set())
    next(stream)
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(list, stream)
        gone.set()
        assert rest.result(timeout=PATIENCE) == []


def test_draining_ends_subscriptions_and_admits_none() -> None:
    subscriptions = Subscriptions(filled(1), QUICK, Clock())
    stream = subscriptions.stream(Subscription(heartbeat_seconds=3600), always)
    next(stream)
    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(list, stream)
        subscriptions.drain()
        with pytest.raises(UnavailableError) as raised:
            rest.result(timeout=PATIENCE)
    assert raised.value.reason is Reason.DRAINING
    with pytest.raises(UnavailableError):
        next(subscriptions.stream(Subscription(), always))


def test_a_subscriber_is_woken_by_a_commit() -> None:
    log = filled(1)
    stream = responses(log, Subscription(heartbeat_seconds=3600), settings=SubscriptionSettings(check_seconds=3600))
    next(stream)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, stream)
        log.append([draft("new")])
        assert [event.id for event in following.result(timeout=PATIENCE).events] == ["new"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (Subscription(start=0), 10),
        (Subscription(start=7), 3),
        (Subscription(start=0, selection=Selection(workflow_ids=frozenset({"w1"}))), 5),
        (Subscription(start=0, selection=Selection(workflow_ids=frozenset({"nothing"}))), 0),
    ],
)
def test_the_events_that_are_sent_are_counted(given: Subscription, sent: int) -> None:
    subscriptions = Subscriptions(filled(10), QUICK, Clock(step=1.0))
    stream = map(SubscribeResponse.FromString, subscriptions.stream(given, always))
    assert len(events_until(stream, 10)) == sent
    assert subscriptions.events_sent == sent


def test_the_slowest_subscription_is_told_apart() -> None:
    subscriptions = Subscriptions(filled(10), QUICK, Clock())
    assert subscriptions.furthest_behind(10) == 0
    streams = [subscriptions.stream(Subscription(start=start), always) for start in (10, 4, 8)]
    for stream in streams:
        next(stream)
    assert subscriptions.furthest_behind(10) == 6
    streams[1].close()
    assert subscriptions.furthest_behind(10) == 2
