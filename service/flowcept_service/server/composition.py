"""The composition root: the only place that names every implementation, to be read from top to bottom."""

from __future__ import annotations

import time
import uuid
from functools import partial

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_reflection.v1alpha import reflection

from flowcept.errors import Reason
from flowcept_service.affinity import Home
from flowcept_service.blobs.downloads import Downloads
from flowcept_service.blobs.objects import Objects
from flowcept_service.blobs.quotas import blob_quotas
from flowcept_service.blobs.session import Surroundings
from flowcept_service.blobs.settings import BlobSettings
from flowcept_service.blobs.uploads import Uploads
from flowcept_service.config import InserterOptions, RetentionOptions, ServiceSettings
from flowcept_service.domain.retention import Retention
from flowcept_service.events.codec import ProtobufEventReader
from flowcept_service.events.subscription import Subscriptions, SubscriptionSettings
from flowcept_service.provenance.inserter import InserterSettings, PrepareContext, TagThresholds, host_defaults
from flowcept_service.provenance.publishing import Publisher
from flowcept_service.provenance.querying import Queries, QuerySettings
from flowcept_service.provenance.quotas import record_quota
from flowcept_service.query import FilterLimits, Foreground, Lane
from flowcept_service.replication.follower import Follower
from flowcept_service.rpc import blob_servicer, provenance_servicer
from flowcept_service.rpc.draining import Admission
from flowcept_service.rpc.principal import current_principal
from flowcept_service.rpc.waiting import Waits
from flowcept_service.security.confinement import ConfinedObjects, ConfinedPayloads
from flowcept_service.server.health import Health
from flowcept_service.server.interceptors import interceptors
from flowcept_service.server.janitor import Janitor
from flowcept_service.server.last_events import LastEvents
from flowcept_service.server.listening import bind, target_of
from flowcept_service.server.metrics.blobs import MeteredDownloads, MeteredUploads
from flowcept_service.server.metrics.calls import CallMetrics
from flowcept_service.server.metrics.lookups import (
    follower_source,
    janitor_source,
    service_source,
    store_source,
    subscription_source,
)
from flowcept_service.server.metrics.registry import Metrics
from flowcept_service.server.metrics.store import StoreMetrics
from flowcept_service.server.observation import Observation, open_tracing
from flowcept_service.server.options import server_options
from flowcept_service.server.pools import Pools
from flowcept_service.server.probing import StoreProbe
from flowcept_service.server.security import (
    access_control,
    authenticator_of,
    check_exposure,
    shows_names_to_anybody,
    transport_security,
)
from flowcept_service.server.service import Service
from flowcept_service.server.status import StatusBoard
from flowcept_service.server.statusz import StatusPage
from flowcept_service.server.stores import NO_DATABASE, now, open_stores
from flowcept_service.storage.contract import Storage

SERVICES = (blob_servicer.SERVICE_NAME, provenance_servicer.SERVICE_NAME)
_WAITING_CALLS = 1024
"""Calls that may wait for a thread; more would only fill memory."""


def compose(settings: ServiceSettings) -> Service:
    """Open the store and bind the port; the service answers once it is started.

    Raises:
        PreconditionError: STORAGE_IN_USE, STORAGE_INCOMPATIBLE.
        UnavailableError: The store cannot be used, or the port is in use.
        InvalidArgumentError: The address cannot be listened on, or not without protection; a file of the settings is
            broken.
    """
    check_exposure(settings.listen, settings.security)
    metrics = Metrics()
    home = Home(wanted=settings.one_cpu)
    storage, follower = home.start_here(
        lambda: open_stores(settings, _retention(settings.retention), StoreMetrics(metrics))
    )
    try:
        return _serve(settings, storage, follower, metrics, home)
    except BaseException:
        storage.close()
        raise


def _serve(
    settings: ServiceSettings, storage: Storage, follower: Follower | None, metrics: Metrics, home: Home
) -> Service:
    pools = Pools.of(settings.limits, home)
    subscriptions = Subscriptions(
        storage.events, SubscriptionSettings(max_subscriptions=settings.limits.max_subscriptions), time.monotonic
    )
    blobs = _blob_store(settings, storage, pools, metrics)
    call_metrics = CallMetrics(metrics)
    foreground = Foreground()
    lane = Lane(foreground, settings.limits.scan_percent, call_metrics.rested)
    provenance = _provenance(settings, storage, subscriptions, lane)

    admission = Admission()
    authenticator = authenticator_of(settings.security)
    tracing = open_tracing(settings.observability)
    waits = Waits(time.monotonic, partial(call_metrics.refused, reason=Reason.DEADLINE))
    chain = interceptors(
        pools=pools.by_method(),
        new_id=_new_id,
        calls=call_metrics,
        admission=admission,
        access=access_control(authenticator),
        tracing=tracing,
        log_every_call=settings.log.every_call,
        foreground=foreground,
        waits=waits,
        limits=settings.limits,
    )
    health = Health(SERVICES)
    server = _grpc_server(settings, pools, chain)
    server.add_generic_rpc_handlers(
        (blob_servicer.blob_handlers(blobs), provenance_servicer.provenance_handlers(provenance))
    )
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    reflection.enable_server_reflection((*SERVICES, HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    port = bind(server, settings.listen, transport_security(settings.security))

    seconds = settings.observability.probe_seconds
    janitor = Janitor(storage, _retention(settings.retention), settings.retention.sweep_seconds, now)
    probe = StoreProbe(storage, health, seconds, time.monotonic)
    status = StatusBoard(
        address=target_of(settings.listen, port),
        store=settings.store,
        health=health,
        probe=probe,
        admission=admission,
        janitor=janitor,
        follower=follower,
        events=LastEvents(storage.events, ProtobufEventReader(), seconds, time.monotonic),
        now=now,
    )
    for source in (
        store_source(storage, probe),
        subscription_source(subscriptions, probe),
        janitor_source(janitor),
        service_source(health, settings.store),
        follower_source(follower, probe),
    ):
        metrics.look_up(source)
    status_page = StatusPage(
        status.snapshot,
        None if authenticator is None else authenticator.of_token,
        open_to_anybody=shows_names_to_anybody(settings.observability.http_listen, settings.security),
    )
    return Service(
        server=server,
        listen=settings.listen,
        port=port,
        storage=storage,
        follower=follower,
        janitor=janitor,
        observation=Observation.open(
            settings.observability,
            health=health,
            probe=probe,
            metrics=metrics,
            tracing=tracing,
            pages={"/statusz": status_page},
        ),
        status=status,
        admission=admission,
        waits=waits,
        subscriptions=subscriptions,
        pools=pools,
        home=home,
    )


def _blob_store(
    settings: ServiceSettings, storage: Storage, pools: Pools, metrics: Metrics
) -> blob_servicer.BlobStoreServicer:
    limits = settings.limits
    blob_settings = BlobSettings(
        max_uploads=limits.max_uploads, in_object_bytes=limits.in_object_bytes, upload_bytes=limits.upload_bytes
    )
    quotas = blob_quotas(
        storage.records,
        storage.payloads,
        time.monotonic,
        staged=limits.staged_bytes,
        staged_by_principal=limits.staged_bytes_per_principal,
        campaign_bytes=limits.campaign_bytes,
    )
    # Calls see the objects of the campaigns that their caller may touch; the rest of the service sees all.
    objects = ConfinedObjects(storage.objects, storage.records, current_principal)
    payloads = ConfinedPayloads(storage.payloads, current_principal)
    surroundings = Surroundings(objects, payloads, pools.hashing, blob_settings, quotas, now, objects.check, _caller)
    return blob_servicer.BlobStoreServicer(
        MeteredUploads(Uploads(surroundings, settings.retention.staged_seconds, _new_id), metrics),
        MeteredDownloads(Downloads(objects, payloads, blob_settings), metrics),
        Objects(objects, now),
    )


def _provenance(
    settings: ServiceSettings, storage: Storage, subscriptions: Subscriptions, lane: Lane
) -> provenance_servicer.ProvenanceServicer:
    limits = settings.limits
    # Without a database nothing is kept, and nothing is counted.
    campaign_records = 0 if settings.store == NO_DATABASE else limits.campaign_records
    return provenance_servicer.ProvenanceServicer(
        Publisher(
            storage.records,
            _inserter(settings.inserter),
            PrepareContext(now, _new_id),
            record_quota(storage.records, campaign_records, time.monotonic),
        ),
        Queries(
            QuerySettings(limits.query_seconds, limits.query_result_bytes),
            FilterLimits(limits.filter_depth, limits.filter_clauses, limits.filter_patterns, limits.filter_bytes),
            time.monotonic,
            lane,
        ),
        storage.records,
        storage.events,
        subscriptions,
    )


def _grpc_server(settings: ServiceSettings, pools: Pools, chain: list[grpc.ServerInterceptor]) -> grpc.Server:
    limits = settings.limits
    at_once = limits.max_calls + limits.max_downloads + limits.max_uploads + limits.max_subscriptions
    return grpc.server(
        pools.calls,
        interceptors=chain,
        options=server_options(settings.connections),
        maximum_concurrent_rpcs=at_once + _WAITING_CALLS,
    )


def _retention(options: RetentionOptions) -> Retention:
    return Retention(
        staged_seconds=options.staged_seconds,
        requests_seconds=options.requests_seconds,
        events_seconds=options.events_seconds,
        events_bytes=options.events_bytes,
        unreferenced_seconds=options.unreferenced_seconds,
    )


def _inserter(options: InserterOptions) -> InserterSettings:
    return InserterSettings(
        summarize_telemetry=options.summarize_telemetry,
        tag_critical_tasks=options.tag_critical_tasks,
        thresholds=TagThresholds(
            high_cpu=options.high_cpu,
            high_mem=options.high_mem,
            high_disk=options.high_disk,
            long_duration=options.long_duration,
            low_output=options.low_output,
            high_output=options.high_output,
        ),
        remove_empty_fields=options.remove_empty_fields,
        defaults=host_defaults() if options.enrich_messages else {},
    )


def _caller() -> str:
    return current_principal().name


def _new_id() -> str:
    return str(uuid.uuid4())
