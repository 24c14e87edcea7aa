"""Subscriptions, from the wire to the event log's terms."""

from __future__ import annotations

from flowcept.errors import InvalidArgumentError
from flowcept.v1.provenance_service_pb2 import LogEdge as WireEdge
from flowcept.v1.provenance_service_pb2 import Shard as WireShard
from flowcept.v1.provenance_service_pb2 import SubscribeRequest
from flowcept_service.domain.campaigns import Campaigns, own_identifier
from flowcept_service.domain.events import EventKind
from flowcept_service.domain.identifiers import check_identifier
from flowcept_service.events.consumers import LogEdge, Start
from flowcept_service.events.selection import Form, Selection, Shard
from flowcept_service.events.subscription import Subscription
from flowcept_service.query import FilterLimits, compile_filter
from flowcept_service.rpc.provenance_documents import json_document, plain_document, wants_json

DEFAULT_HEARTBEAT_SECONDS = 5.0
MIN_HEARTBEAT_SECONDS = 0.1
MAX_HEARTBEAT_SECONDS = 3600.0

_EDGES = {
    WireEdge.LOG_EDGE_UNSPECIFIED: LogEdge.LATEST,
    WireEdge.LOG_EDGE_LATEST: LogEdge.LATEST,
    WireEdge.LOG_EDGE_EARLIEST: LogEdge.EARLIEST,
}


def subscription_of(request: SubscribeRequest, campaigns: Campaigns, limits: FilterLimits) -> Subscription:
    """What a subscriber asks for, within some campaigns. Raises InvalidArgumentError that names the field."""
    recode = json_document if wants_json(request.encoding) and not request.omit_documents else None
    return Subscription(
        start=_start(request),
        consumer=consumer_of(request.consumer, campaigns) if request.consumer else "",
        selection=_selection(request, campaigns, limits),
        form=Form(recode, request.omit_documents),
        heartbeat_seconds=_heartbeat_seconds(request),
    )


def consumer_of(name: str, campaigns: Campaigns) -> str:
    """The name of a durable consumer in the log. Raises InvalidArgumentError (INVALID_IDENTIFIER)."""
    return own_identifier(campaigns, check_identifier("consumer", name))


def _start(request: SubscribeRequest) -> Start:
    if request.WhichOneof("start") == "after_sequence":
        return request.after_sequence
    edge = _EDGES.get(request.edge)
    if edge is None:
        raise InvalidArgumentError(
            f"edge is {request.edge}, which is no end of the log; set LATEST or EARLIEST",
            field="edge",
            value=request.edge,
        )
    return edge


def _selection(request: SubscribeRequest, campaigns: Campaigns, limits: FilterLimits) -> Selection:
    wanted = request.filter
    kinds = frozenset(wanted.kinds)
    unknown = kinds - set(EventKind)
    if unknown:
        raise InvalidArgumentError(
            f"filter.kinds has {min(unknown)}, which is no kind of event; set one of "
            f"{', '.join(kind.name for kind in EventKind)}",
            field="filter.kinds",
            value=min(unknown),
        )
    condition = plain_document(wanted.document, "filter.document")
    return Selection(
        kinds=kinds,
        workflow_ids=frozenset(wanted.workflow_ids),
        campaign_ids=frozenset(wanted.campaign_ids),
        activity_ids=frozenset(wanted.activity_ids),
        object_types=frozenset(wanted.object_types),
        document=compile_filter(condition, limits) if condition else None,
        shard=_shard(request.shard) if request.HasField("shard") else None,
        confined_to=campaigns,
    )


def _shard(shard: WireShard) -> Shard:
    if shard.index >= shard.count:
        raise InvalidArgumentError(
            f"shard.index is {shard.index} of {shard.count} members; they are counted from 0, so it must be less than "
            "shard.count",
            field="shard.index",
            value=shard.index,
        )
    return Shard(shard.index, shard.count)


def _heartbeat_seconds(request: SubscribeRequest) -> float:
    if not request.HasField("heartbeat_interval"):
        return DEFAULT_HEARTBEAT_SECONDS
    interval = request.heartbeat_interval
    seconds = interval.seconds + interval.nanos / 1e9
    if not MIN_HEARTBEAT_SECONDS <= seconds <= MAX_HEARTBEAT_SECONDS:
        raise InvalidArgumentError(
            f"heartbeat_interval is {seconds:g} s; it must be from {MIN_HEARTBEAT_SECONDS:g} to "
            f"{MAX_HEARTBEAT_SECONDS:g} s",
            field="heartbeat_interval",
            value=f"{seconds:g}",
        )
    return seconds
