"""What is looked up when somebody asks for the metrics: it costs nothing as long as nobody does."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import version

from flowcept_service.events.subscription import Subscriptions
from flowcept_service.replication.follower import Follower
from flowcept_service.replication.status import ReplicaPhase
from flowcept_service.server.health import Health
from flowcept_service.server.janitor import Janitor
from flowcept_service.server.metrics import definitions as d
from flowcept_service.server.metrics.registry import Sample, Source
from flowcept_service.server.probing import StoreProbe
from flowcept_service.storage.contract import Storage


def store_source(storage: Storage, probe: StoreProbe) -> Source:
    """How the store is, as the probe has seen it last."""

    def look_up() -> Iterator[Sample]:
        for writer in storage.writers():
            yield Sample(d.QUEUE, writer.waiting, (writer.name,))
            yield Sample(d.WRITER_ALIVE, writer.alive, (writer.name,))
        report = probe.latest
        yield Sample(d.STORE_UP, not report.problem)
        yield Sample(d.STORE_PROBE, report.seconds)
        state = report.state
        if state is None:
            return
        for database in state.databases:
            yield Sample(d.STORE_USED, database.used_bytes, (database.name,))
            yield Sample(d.STORE_FILE, database.file_bytes, (database.name,))
        if state.free_disk_bytes is not None:
            yield Sample(d.STORE_FREE, state.free_disk_bytes)
        yield Sample(d.LAST_SEQUENCE, state.log.last)
        yield Sample(d.OLDEST_SEQUENCE, state.log.oldest)
        yield Sample(d.LOG_BYTES, state.log.size_bytes)
        yield Sample(d.UPLOADS_STAGED, state.staged_uploads)
        yield Sample(d.STAGED_BYTES, state.staged_bytes)
        yield Sample(d.CONSUMERS, state.consumers)
        slowest = state.slowest_consumers[0].sequence if state.slowest_consumers else state.log.last
        yield Sample(d.CONSUMER_LAG, max(0, state.log.last - slowest))

    return look_up


def subscription_source(subscriptions: Subscriptions, probe: StoreProbe) -> Source:
    """What subscribers get."""

    def look_up() -> Iterator[Sample]:
        yield Sample(d.SUBSCRIPTIONS, subscriptions.active)
        yield Sample(d.EVENTS_SENT, subscriptions.events_sent)
        state = probe.latest.state
        if state is not None:
            yield Sample(d.SUBSCRIPTION_LAG, subscriptions.furthest_behind(state.log.last))

    return look_up


def follower_source(follower: Follower | None, probe: StoreProbe) -> Source:
    """How the second store stands to the first; nothing where there is none."""

    def look_up() -> Iterator[Sample]:
        if follower is None:
            return
        status = follower.status(primary_answers=not probe.latest.problem)
        if status.lag_events is not None:
            yield Sample(d.FOLLOWER_LAG, status.lag_events)
        yield Sample(d.FOLLOWER_SECONDS, status.behind_seconds)
        for phase in ReplicaPhase:
            yield Sample(d.FOLLOWER_PHASE, phase is status.phase, (phase.value,))

    return look_up


def janitor_source(janitor: Janitor) -> Source:
    """What was swept."""

    def look_up() -> Iterator[Sample]:
        report = janitor.report
        yield Sample(d.JANITOR_RUNS, report.runs - report.failures, ("succeeded",))
        yield Sample(d.JANITOR_RUNS, report.failures, ("failed",))
        removed = report.removed
        for kind in ("uploads", "payloads", "events", "requests"):
            yield Sample(d.JANITOR_REMOVED, getattr(removed, kind), (kind,))
        yield Sample(d.JANITOR_BYTES, removed.payload_bytes)
        if report.succeeded_at is not None:
            yield Sample(d.JANITOR_SUCCESS, report.succeeded_at.timestamp())

    return look_up


def service_source(health: Health, store: str) -> Source:
    """What is running, and whether it is ready."""
    build = (version("flowcept-service"), store, platform.python_version())

    def look_up() -> Iterator[Sample]:
        yield Sample(d.READY, not health.not_ready)
        yield Sample(d.DRAINING, health.draining)
        yield Sample(d.BUILD_INFO, 1, build)

    return look_up
