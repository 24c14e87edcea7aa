"""How often the store is asked, and what a quota lets pass in between."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from flowcept.errors import Reason, ResourceExhaustedError, UnavailableError
from flowcept_service.domain.quotas import DOUBT_SECONDS, MAX_NAMES, REFRESH_SECONDS, Quota, Usage
from tests.support.conditions import eventually


class Store:
    """What is in use, and how often somebody asked; asking takes time."""

    def __init__(self, cost: float = 0.0) -> None:
        self.used = {"c": 0}
        self.asked = 0
        self.seconds = 0.0
        self._cost = cost

    def look_up(self, name: str) -> int:
        self.asked += 1
        self.seconds += self._cost
        return self.used.get(name, 0)

    def clock(self) -> float:
        return self.seconds


def quota_of(store: Store, limit: int, key: str = "campaign_id") -> Quota:
    return Quota("campaign_bytes", limit, Usage(store.look_up, store.clock), key, "delete something")


def test_what_is_taken_is_counted_without_asking_the_store_again() -> None:
    store = Store()
    quota = quota_of(store, 100)
    for _ in range(9):
        quota.take("c", 10)
    assert store.asked == 1
    store.used["c"] = 90
    quota.take("c", 10)
    store.used["c"] = 100
    with pytest.raises(ResourceExhaustedError) as raised:
        quota.take("c", 1)
    assert raised.value.reason is Reason.QUOTA_EXCEEDED
    assert dict(raised.value.metadata) == {"quota": "campaign_bytes", "limit": "100", "campaign_id": "c"}


def test_what_others_add_is_seen_after_a_while() -> None:
    store = Store()
    quota = quota_of(store, 100)
    quota.check("c", 100)
    store.used["c"] = 50
    quota.check("c", 100)
    store.seconds += REFRESH_SECONDS + 1
    with pytest.raises(ResourceExhaustedError):
        quota.check("c", 100)


def test_room_that_was_made_is_found_before_something_is_refused() -> None:
    store = Store()
    store.used["c"] = 100
    quota = quota_of(store, 100)
    with pytest.raises(ResourceExhaustedError):
        quota.take("c", 1)
    store.used["c"] = 0
    store.seconds += DOUBT_SECONDS + 0.1
    quota.take("c", 100)


def test_a_store_that_answers_slowly_is_asked_less_often() -> None:
    store = Store(cost=2.0)
    usage = Usage(store.look_up, store.clock)
    for _ in range(100):
        usage.of("c")
        store.seconds += 1
    assert store.asked <= 4


def test_without_a_limit_or_a_name_nobody_is_asked() -> None:
    store = Store()
    quota_of(store, 0).take("c", 10**12)
    quota_of(store, 1).take("", 10**12)
    assert store.asked == 0
    with pytest.raises(ResourceExhaustedError):
        quota_of(store, 1, key="").take("", 2)


def test_names_that_clients_make_up_do_not_fill_the_memory() -> None:
    store = Store()
    usage = Usage(store.look_up, store.clock)
    for number in range(MAX_NAMES + 100):
        usage.of(f"c{number}")
    assert len(usage._entries) == MAX_NAMES


class SlowStore(Store):
    """Answers for the name ``slow`` only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.released = Event(), Event()
        self.failure: Exception | None = None
        self.callers = 0

    def look_up(self, name: str) -> int:
        answer = super().look_up(name)
        if name == "slow":
            self.begun.set()
            assert self.released.wait(10)
            if self.failure is not None:
                raise self.failure
        return answer

    def clock(self) -> float:
        # Under the lock of the usage: whoever was here finds the look-up that is under way.
        self.callers += 1
        return super().clock()


@pytest.fixture
def slow() -> Iterator[SlowStore]:
    store = SlowStore()
    yield store
    store.released.set()


@pytest.fixture
def threads(slow: SlowStore) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool
        slow.released.set()


def test_a_look_up_that_hangs_holds_up_nobody_but_its_own_name(slow: SlowStore, threads: ThreadPoolExecutor) -> None:
    usage = Usage(slow.look_up, slow.clock)
    hanging = threads.submit(usage.of, "slow")
    assert slow.begun.wait(10)
    slow.used["quick"] = 3
    assert threads.submit(usage.of, "quick").result(10) == 3
    threads.submit(usage.add, "slow", 1).result(10)
    assert not hanging.done()


def test_what_is_added_during_a_look_up_counts(slow: SlowStore, threads: ThreadPoolExecutor) -> None:
    usage = Usage(slow.look_up, slow.clock)
    slow.used["slow"] = 10
    asked = threads.submit(usage.of, "slow")
    assert slow.begun.wait(10)
    usage.add("slow", 5)
    slow.released.set()
    assert asked.result(10) == 15


def test_whoever_asks_for_a_name_waits_for_one_look_up_together(slow: SlowStore, threads: ThreadPoolExecutor) -> None:
    usage = Usage(slow.look_up, slow.clock)
    slow.used["slow"] = 7
    asked = [threads.submit(usage.of, "slow") for _ in range(8)]
    eventually(lambda: slow.callers == 8)
    slow.released.set()
    assert [one.result(10) for one in asked] == [7] * 8
    assert slow.asked == 1


def test_a_look_up_that_fails_fails_for_all_who_wait_and_the_next_asks_again(
    slow: SlowStore, threads: ThreadPoolExecutor
) -> None:
    usage = Usage(slow.look_up, slow.clock)
    slow.failure = UnavailableError("away")
    asked = [threads.submit(usage.of, "slow") for _ in range(8)]
    eventually(lambda: slow.callers == 8)
    slow.released.set()
    for one in asked:
        with pytest.raises(UnavailableError):
            one.result(10)
    assert slow.asked == 1
    slow.failure = None
    assert usage.of("slow") == 0
    assert slow.asked == 2
