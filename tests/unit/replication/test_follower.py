"""The thread that keeps a replica: it outlives failures of either side, and keeps them from the primary's users."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from flowcept.errors import FlowceptError, PreconditionError, Reason, ResourceExhaustedError, UnavailableError
from flowcept_service.domain.replication import ReplicaBatch
from flowcept_service.domain.retention import Retention
from flowcept_service.events.codec import ProtobufEventReader
from flowcept_service.replication.follower import Follower, FollowerSettings
from flowcept_service.replication.status import ReplicaPhase
from flowcept_service.server.stores import StoreAddress, now
from flowcept_service.storage.replica import Replica, ReplicableStorage
from tests.support.conditions import PATIENCE, eventually
from tests.support.stores import lmdb_address, opened, tasks

SETTINGS = FollowerSettings(Retention(), first_pause=0.01, longest_pause=0.05, stop_seconds=PATIENCE)
IMPATIENT = replace(SETTINGS, stop_seconds=0.1)


class Faulty:
    """A replica whose writes may fail or hang."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.error: FlowceptError | None = None
        self.free = threading.Event()
        self.free.set()
        self.attempts = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replica, name)

    def apply(self, batch: ReplicaBatch) -> None:
        self.attempts += 1
        if not self.free.wait(2 * PATIENCE):
            raise AssertionError("nobody let go of the replica")
        if self.error is not None:
            raise self.error
        self._replica.apply(batch)


@dataclass
class Pair:
    """A primary and what follows it."""

    primary: ReplicableStorage
    target_address: str
    followers: list[Follower] = field(default_factory=list)
    target: ReplicableStorage | None = None
    faulty: Faulty | None = None
    refusals: list[FlowceptError] = field(default_factory=list)

    def open_target(self) -> ReplicableStorage:
        if self.refusals:
            raise self.refusals.pop()
        self.target = target = StoreAddress.parse("address", self.target_address).open(must_exist=False)
        wrapped: Any = Faulty(target.replica)
        self.faulty = wrapped
        target.replica = wrapped
        return target

    def follow(self, settings: FollowerSettings = SETTINGS) -> Follower:
        follower = Follower(
            self.primary,
            self.open_target,
            reader=ProtobufEventReader(),
            settings=settings,
            clock=now,
            monotonic=time.monotonic,
        )
        self.followers.append(follower)
        follower.start()
        return follower


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with opened(lmdb_address(tmp_path / "primary")) as primary:
        pair = Pair(primary, lmdb_address(tmp_path / "replica"))
        yield pair
        for follower in pair.followers:
            if pair.faulty is not None:
                pair.faulty.free.set()
            follower.stop()


def is_level(follower: Follower) -> Callable[[], bool]:
    def condition() -> bool:
        status = follower.status()
        return status.phase is ReplicaPhase.FOLLOWING and status.lag_events == 0

    return condition


def test_the_replica_becomes_level_and_stays_it(pair: Pair) -> None:
    pair.primary.records.write(tasks(0, 100))
    follower = pair.follow()
    eventually(is_level(follower))

    pair.primary.records.write(tasks(100, 100))

    eventually(lambda: follower.status().position == 200)
    eventually(lambda: follower.status().behind_seconds == 0.0)
    assert follower.status().rows == 200
    assert follower.status().error == ""


@pytest.mark.parametrize(
    "error",
    [
        UnavailableError("away", reason=Reason.STORAGE_UNAVAILABLE),
        ResourceExhaustedError("the disk is full", reason=Reason.STORAGE_FULL),
    ],
)
def test_a_replica_that_fails_is_tried_again_and_the_primary_goes_on(pair: Pair, error: FlowceptError) -> None:
    follower = pair.follow()
    eventually(is_level(follower))
    assert pair.faulty is not None
    pair.faulty.error = error

    outcomes = pair.primary.records.write(tasks(0, 10))

    assert [outcome.sequence for outcome in outcomes] == list(range(1, 11))
    eventually(lambda: follower.status().phase is ReplicaPhase.FAILING)
    assert follower.status().error == error.message
    assert follower.status().lag_events == 10
    assert follower.status().behind_seconds > 0
    pair.faulty.error = None
    eventually(is_level(follower))
    assert follower.status().error == ""


def test_a_replica_that_hangs_blocks_nobody(pair: Pair) -> None:
    follower = pair.follow(IMPATIENT)
    eventually(is_level(follower))
    assert pair.faulty is not None
    pair.faulty.free.clear()
    pair.primary.records.write(tasks(0, 10))
    eventually(lambda: pair.faulty is not None and pair.faulty.attempts > 1)

    # It hangs for longer than this test may last.
    for start in range(10, 1000, 10):
        pair.primary.records.write(tasks(start, 10))
    pair.primary.sweep(Retention(), now())

    status = follower.status()
    assert status.lag_events == 1000
    assert follower.stop() is False  # and it returns, so that the service can end


def test_a_hanging_replica_catches_up_when_it_goes_on(pair: Pair) -> None:
    follower = pair.follow()
    eventually(is_level(follower))
    assert pair.faulty is not None
    pair.faulty.free.clear()
    pair.primary.records.write(tasks(0, 500))

    pair.faulty.free.set()

    eventually(is_level(follower))
    assert pair.target is not None
    assert pair.target.events.bounds().last == 500


def test_a_replica_that_cannot_be_opened_is_tried_again(pair: Pair) -> None:
    pair.refusals = [UnavailableError("no such server", reason=Reason.STORAGE_UNAVAILABLE)] * 3
    pair.primary.records.write(tasks(0, 10))

    follower = pair.follow()

    eventually(is_level(follower))
    assert pair.refusals == []


def test_a_replica_with_data_of_its_own_is_left_alone_and_says_so(pair: Pair) -> None:
    with opened(pair.target_address) as replica:
        replica.records.write(tasks(0, 3))
    pair.primary.records.write(tasks(10, 3))

    follower = pair.follow()

    eventually(lambda: follower.status().phase is ReplicaPhase.REFUSED)
    assert "--replace" in follower.status().error
    follower.stop()
    with opened(pair.target_address) as replica:
        assert replica.events.bounds().last == 3


def test_a_primary_that_is_away_is_waited_for(pair: Pair) -> None:
    follower = pair.follow()
    eventually(is_level(follower))
    bounds = pair.primary.events.bounds
    away: Any = pair.primary.events

    def unreachable() -> None:
        raise UnavailableError("the primary is away", reason=Reason.STORAGE_UNAVAILABLE)

    away.bounds = unreachable
    eventually(lambda: follower.status().phase is ReplicaPhase.FAILING)
    assert follower.status().last_sequence is None
    assert follower.status().lag_events is None

    away.bounds = bounds
    pair.primary.records.write(tasks(0, 10))
    eventually(is_level(follower))


def test_a_write_that_happened_though_it_failed_is_not_applied_twice(pair: Pair) -> None:
    follower = pair.follow()
    eventually(is_level(follower))
    assert pair.faulty is not None
    real = pair.faulty._replica.apply
    failures = [UnavailableError("the answer was lost", reason=Reason.STORAGE_UNAVAILABLE)]

    def apply(batch: ReplicaBatch) -> None:
        real(batch)
        if failures:
            raise failures.pop()

    replica: Any = pair.faulty._replica
    replica.apply = apply
    pair.primary.records.write(tasks(0, 10))

    eventually(is_level(follower))
    assert failures == []
    assert pair.target is not None
    assert pair.target.events.bounds().last == 10


def test_the_replica_is_swept_too(pair: Pair) -> None:
    pair.primary.records.write(tasks(0, 10))
    settings = FollowerSettings(Retention(events_seconds=0.0), sweep_seconds=0.0, first_pause=0.01)

    follower = pair.follow(settings)

    eventually(is_level(follower))
    eventually(lambda: pair.target is not None and pair.target.events.bounds().oldest == 11)
    pair.primary.records.write(tasks(10, 10))
    eventually(is_level(follower))


def test_stopping_closes_the_replica(pair: Pair) -> None:
    follower = pair.follow()
    eventually(is_level(follower))

    assert follower.stop()

    with opened(pair.target_address) as replica:
        assert replica.replica.state() is not None


def test_what_is_refused_is_no_defect(pair: Pair) -> None:
    pair.refusals = [PreconditionError("another layout", reason=Reason.STORAGE_INCOMPATIBLE)]

    follower = pair.follow()

    eventually(is_level(follower))
