"""When a service is ready, and when it lives."""

from __future__ import annotations

from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from flowcept.errors import Reason, UnavailableError
from flowcept_service.domain.events import LogBounds
from flowcept_service.domain.store_state import StoreState, WriterState
from flowcept_service.server.health import LIVENESS, READINESS, Health
from flowcept_service.server.probing import StoreProbe

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
STATE = StoreState(LogBounds(1, 5, 100))


class Store:
    """A store that is as the test says."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.alive = True
        self.looks = 0

    def state(self) -> StoreState:
        self.looks += 1
        if self.failure is not None:
            raise self.failure
        return STATE

    def writers(self) -> list[WriterState]:
        return [WriterState("records", 0, self.alive)]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def health() -> Health:
    return Health(["one", "two"])


@pytest.fixture
def probe(store: Any, health: Health) -> StoreProbe:
    return StoreProbe(store, health, 60.0, lambda: 0.0)


def told(health: Health) -> dict[str, int]:
    names = ("", READINESS, "one", "two", LIVENESS)
    context: Any = None
    return {name: health.servicer.Check(health_pb2.HealthCheckRequest(service=name), context).status for name in names}


def ready_and_alive(health: Health) -> tuple[bool, bool]:
    """The answers of the gRPC service and of the pages, which agree."""
    answers = told(health)
    alive = answers.pop(LIVENESS) == SERVING
    ready = set(answers.values()) == {SERVING}
    assert ready or set(answers.values()) == {NOT_SERVING}
    assert (ready, alive) == (not health.not_ready, not health.not_alive)
    return ready, alive


def test_a_service_whose_store_answers_is_ready(probe: StoreProbe, health: Health) -> None:
    probe.look()
    assert ready_and_alive(health) == (True, True)
    assert (probe.latest.state, probe.latest.problem) == (STATE, "")


def test_a_draining_service_is_not_ready_and_lives(health: Health) -> None:
    health.drain()
    assert ready_and_alive(health) == (False, True)


def test_a_store_that_comes_back_while_the_service_drains_does_not_make_it_ready(
    probe: StoreProbe, health: Health
) -> None:
    health.drain()
    probe.look()
    assert ready_and_alive(health) == (False, True)


def test_readiness_follows_the_store_and_liveness_does_not(probe: StoreProbe, store: Store, health: Health) -> None:
    store.failure = UnavailableError("mongodb://secret-host is away", reason=Reason.STORAGE_UNAVAILABLE)
    probe.look()
    assert ready_and_alive(health) == (False, True)
    store.failure = None
    probe.look()
    assert ready_and_alive(health) == (True, True)


def test_strangers_are_not_told_where_the_store_is(probe: StoreProbe, store: Store, health: Health) -> None:
    store.failure = UnavailableError("mongodb://secret-host is away")
    probe.look()
    assert "secret-host" in probe.latest.problem
    assert "secret-host" not in health.not_ready


def test_what_was_known_of_an_absent_store_stays_known(probe: StoreProbe, store: Store) -> None:
    probe.look()
    store.failure = UnavailableError("away")
    probe.look()
    assert (probe.latest.state, probe.latest.problem) == (STATE, "away")


def test_a_writer_that_is_gone_needs_a_restart(probe: StoreProbe, store: Store, health: Health) -> None:
    store.alive = False
    probe.look()
    assert ready_and_alive(health) == (False, False)
    assert "records" in health.not_alive


def test_a_defect_in_looking_changes_nothing(probe: StoreProbe, store: Store, health: Health) -> None:
    probe.look()
    store.failure = ZeroDivisionError("defect")
    with pytest.raises(ZeroDivisionError):
        probe.look()
    assert ready_and_alive(health) == (True, True)


def test_the_store_is_looked_at_once_before_the_service_answers(probe: StoreProbe, store: Store) -> None:
    probe.start()
    probe.stop()
    assert store.looks == 1
