"""What the metrics say of the store, the log, uploads, subscriptions and sweeps; every one of them, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from flowcept.v1.provenance_service_pb2 import AcknowledgeRequest, DeleteConsumerRequest, PublishRequest
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.replication.status import ReplicaPhase, ReplicaStatus
from flowcept_service.server.metrics.definitions import COPYING, DEFINITIONS, FOLLOWER_PHASE
from flowcept_service.server.metrics.lookups import follower_source
from flowcept_service.server.service import Service
from tests.support.blobs import MIB, Blobs, chunks, commit, header, pattern, sha256
from tests.support.conditions import eventually
from tests.support.metrics import scrape
from tests.support.provenance import subscribe, task
from tests.support.server import service_in_process

OWN = ("flowcept_", "grpc_server_")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    # The tests look by themselves.
    observability = {"http_listen": "127.0.0.1:0", "probe_seconds": 3600}
    with service_in_process(tmp_path / "data", observability=observability) as service:
        yield service


@pytest.fixture
def channel(service: Service) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(service.target) as channel:
        yield channel


@pytest.fixture
def blobs(channel: grpc.Channel) -> Blobs:
    return Blobs(channel)


@pytest.fixture
def provenance(channel: grpc.Channel) -> ProvenanceStub:
    return ProvenanceStub(channel)


def test_the_table_names_every_metric_that_is_exposed_with_its_type_and_labels(
    service: Service, blobs: Blobs, provenance: ProvenanceStub
) -> None:
    provenance.Publish(PublishRequest(messages=[task("t1")]))
    blobs.put(pattern(2 * MIB), "u1")
    blobs.get()
    assert Blobs.failing(lambda: blobs.object("nothing")).reason == "OBJECT_NOT_FOUND"
    assert blobs.refused([header("u2"), *chunks(b"x")]).reason == "UPLOAD_NOT_COMMITTED"
    service.janitor.sweep()

    table = {d.name.removesuffix("_total"): d for d in DEFINITIONS if d not in COPYING}
    families = {name: f for name, f in scrape(service).families.items() if name.startswith(OWN)}
    assert families.keys() == table.keys()
    for name, family in families.items():
        definition = table[name]
        assert (family.type, family.documentation) == (definition.type, definition.help)
        labels = {frozenset(s.labels) - {"le"} for s in family.samples if not s.name.endswith("_created")}
        assert labels == {frozenset(definition.labels)}, name


def test_uploads_are_told_by_how_they_end(service: Service, blobs: Blobs) -> None:
    data = pattern(9 * MIB)
    assert blobs.refused([header("u1"), *chunks(data[: 8 * MIB])]).reason == "UPLOAD_NOT_COMMITTED"
    service.observation.probe.look()
    found = scrape(service)
    assert found.value("flowcept_uploads_failed_total", reason="UPLOAD_NOT_COMMITTED") == 1
    assert (found.value("flowcept_uploads_staged"), found.value("flowcept_uploads_staged_bytes")) == (1, 8 * MIB)

    resumed = [header("u1"), *chunks(data, start=8 * MIB), commit(data)]
    blobs.upload(resumed)
    blobs.upload(resumed)
    blobs.upload([header("u2", "other", data_sha256=sha256(data), object_size_bytes=len(data))])
    found = scrape(service)
    by_content = {
        c: found.value("flowcept_uploads_committed_total", content=c) for c in ("received", "repeated", "known")
    }
    assert by_content == {"received": 1, "repeated": 1, "known": 1}
    assert found.value("flowcept_uploads_resumed_total") == 1
    # Of the repetition only the header was looked at.
    assert found.value("flowcept_upload_received_bytes_total") == len(data)
    assert found.value("flowcept_uploads_active") == 0


def test_downloaded_bytes_are_counted(service: Service, blobs: Blobs) -> None:
    blobs.put(pattern(3 * MIB), "u1")
    blobs.get(offset=MIB)
    assert scrape(service).value("flowcept_download_sent_bytes_total") == 2 * MIB


def test_bytes_that_come_with_metadata_are_counted(service: Service, blobs: Blobs) -> None:
    blobs.put(b"few", "u1")
    blobs.object(max_inline_bytes=100)
    assert scrape(service).value("flowcept_download_sent_bytes_total") == 3


def test_events_are_counted_by_kind_and_the_log_is_measured(
    service: Service, blobs: Blobs, provenance: ProvenanceStub
) -> None:
    provenance.Publish(PublishRequest(messages=[task(f"t{n}") for n in range(5)]))
    blobs.put(b"some bytes", "u1")
    service.observation.probe.look()
    found = scrape(service)
    assert found.value("flowcept_events_appended_total", kind="task") == 5
    assert found.value("flowcept_events_appended_total", kind="object") == 1
    assert (found.value("flowcept_log_oldest_sequence"), found.value("flowcept_log_last_sequence")) == (1, 6)
    assert found.value("flowcept_log_bytes") > 100


def test_commits_are_timed_by_writer(service: Service, blobs: Blobs, provenance: ProvenanceStub) -> None:
    provenance.Publish(PublishRequest(messages=[task("t1")]))
    blobs.put(pattern(MIB), "u1")
    found = scrape(service)
    for writer in ("records", "payloads"):
        assert found.value("flowcept_store_commit_seconds_count", writer=writer) >= 1
        assert found.value("flowcept_store_commit_operations_sum", writer=writer) >= 1
        assert found.value("flowcept_store_writer_alive", writer=writer) == 1
    assert found.value("flowcept_store_queue_operations") == 0


@pytest.mark.parametrize("filter", [{}, {"filter": {"workflow_ids": ["w1"]}}])
def test_subscriptions_tell_what_they_sent_and_how_far_behind_they_are(
    service: Service, provenance: ProvenanceStub, filter: dict[str, Any]
) -> None:
    stream = subscribe(provenance, **filter)
    provenance.Publish(PublishRequest(messages=[task(f"t{n}", workflow_id="w1") for n in range(7)]))
    received = 0
    while received < 7:
        received += len(next(stream).events)
    eventually(lambda: scrape(service).value("flowcept_subscription_events_sent_total") == 7)
    service.observation.probe.look()
    found = scrape(service)
    assert (found.value("flowcept_subscriptions_active"), found.value("flowcept_subscription_lag_events")) == (1, 0)
    stream.cancel()
    eventually(lambda: scrape(service).value("flowcept_subscriptions_active") == 0)


def test_the_slowest_durable_consumer_is_told_without_its_name(service: Service, provenance: ProvenanceStub) -> None:
    provenance.Publish(PublishRequest(messages=[task(f"t{n}") for n in range(10)]))
    provenance.Acknowledge(AcknowledgeRequest(consumer="quick-one", sequence=9))
    provenance.Acknowledge(AcknowledgeRequest(consumer="slow-one", sequence=4))
    service.observation.probe.look()
    found = scrape(service)
    assert (found.value("flowcept_consumers"), found.value("flowcept_consumer_lag_events")) == (2, 6)
    assert "slow-one" not in str(found.families)


def test_a_consumer_that_was_deleted_lags_no_more(service: Service, provenance: ProvenanceStub) -> None:
    provenance.Publish(PublishRequest(messages=[task(f"t{n}") for n in range(9)]))
    provenance.Acknowledge(AcknowledgeRequest(consumer="abandoned", sequence=1))
    provenance.DeleteConsumer(DeleteConsumerRequest(consumer="abandoned"))
    service.observation.probe.look()
    found = scrape(service)
    assert found.value("flowcept_consumers") == 0
    assert found.value("flowcept_consumer_lag_events") == 0


def test_sweeps_are_counted_with_what_they_removed(service: Service, blobs: Blobs, tmp_path: Path) -> None:
    blobs.put(pattern(MIB), "u1")
    blobs.put(pattern(MIB, seed=1), "u2")
    service.janitor.sweep()
    found = scrape(service)
    assert found.value("flowcept_janitor_runs_total", outcome="succeeded") == 1
    assert found.value("flowcept_janitor_removed_total", kind="payloads") == 1
    assert found.value("flowcept_janitor_removed_bytes_total") == MIB
    age = datetime.now(UTC).timestamp() - found.value("flowcept_janitor_last_success_timestamp_seconds")
    assert 0 <= age < 30


def test_a_sweep_that_fails_is_counted_as_such(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service.janitor, "_storage", type("Broken", (), {"sweep": broken}))
    with pytest.raises(ZeroDivisionError):
        service.janitor.sweep()
    found = scrape(service)
    assert found.value("flowcept_janitor_runs_total", outcome="failed") == 1
    assert found.value("flowcept_janitor_runs_total", outcome="succeeded") == 0


def test_an_absent_store_and_a_draining_service_show(service: Service) -> None:
    assert (scrape(service).value("flowcept_store_up"), scrape(service).value("flowcept_ready")) == (1, 1)
    service.observation.health.drain()
    service.storage.close()
    service.observation.probe.look()
    found = scrape(service)
    assert (found.value("flowcept_store_up"), found.value("flowcept_ready")) == (0, 0)
    assert found.value("flowcept_draining") == 1


def test_a_second_store_tells_its_lag_and_phase(service: Service) -> None:
    class Follower:
        def status(self, *, primary_answers: bool) -> ReplicaStatus:
            assert primary_answers
            return ReplicaStatus(ReplicaPhase.FOLLOWING, 90, 100, 1.5)

    follower: Any = Follower()
    samples = list(follower_source(follower, service.observation.probe)())
    assert {s.definition for s in samples} == set(COPYING)
    assert [s.value for s in samples if s.definition is not FOLLOWER_PHASE] == [10, 1.5]
    assert [s.labels for s in samples if s.definition is FOLLOWER_PHASE and s.value] == [("following",)]
