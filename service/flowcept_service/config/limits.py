"""Settings that bound work, sizes and connections; each says what a client over the bound is answered."""

from __future__ import annotations

from dataclasses import dataclass

from flowcept.config_values import count, seconds, size
from flowcept_service.config.declaring import between, setting


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """Bounds on work at the same time, on sizes and on time."""

    max_uploads: int = setting(64, count(1), env="MAX_UPLOADS")
    """Most uploads at the same time; a further one is answered with RESOURCE_EXHAUSTED (TOO_MANY_UPLOADS)."""

    max_downloads: int = setting(128, count(1), env="MAX_DOWNLOADS")
    """Most downloads and queries at the same time; further ones wait for their turn."""

    max_subscriptions: int = setting(512, count(1), env="MAX_SUBSCRIPTIONS")
    """Most subscriptions at the same time; a further one is RESOURCE_EXHAUSTED (TOO_MANY_SUBSCRIPTIONS)."""

    max_calls: int = setting(32, count(1), env="MAX_CALLS")
    """Most other calls at the same time; further ones wait for their turn."""

    uploads_per_principal: int = setting(0, count(0), env="UPLOADS_PER_PRINCIPAL")
    """Most uploads of one principal at the same time; RESOURCE_EXHAUSTED (TOO_MANY_UPLOADS). 0: ``max_uploads``."""

    downloads_per_principal: int = setting(0, count(0), env="DOWNLOADS_PER_PRINCIPAL")
    """Most downloads and queries of one principal at the same time; RESOURCE_EXHAUSTED (QUOTA_EXCEEDED). 0: any."""

    subscriptions_per_principal: int = setting(0, count(0), env="SUBSCRIPTIONS_PER_PRINCIPAL")
    """Most subscriptions of one principal; RESOURCE_EXHAUSTED (TOO_MANY_SUBSCRIPTIONS). 0: ``max_subscriptions``."""

    in_object_bytes: int = setting(8 << 20, size(0, 15 << 20), env="IN_OBJECT_BYTES")
    """Largest payload that is kept inside its object's document (``save_data_in_collection=True``), in bytes.

    A larger one is answered with INVALID_ARGUMENT (PAYLOAD_TOO_LARGE_FOR_OBJECT)."""

    upload_bytes: int = setting(0, size(0), env="UPLOAD_BYTES")
    """Largest payload, in bytes; INVALID_ARGUMENT (UPLOAD_TOO_LARGE). 0: any."""

    staged_bytes: int = setting(0, size(0), env="STAGED_BYTES")
    """Most bytes of uploads that are not committed yet; RESOURCE_EXHAUSTED (QUOTA_EXCEEDED). 0: any."""

    staged_bytes_per_principal: int = setting(0, size(0), env="STAGED_BYTES_PER_PRINCIPAL")
    """Most bytes of one principal's uploads that are not committed yet; RESOURCE_EXHAUSTED (QUOTA_EXCEEDED). 0: any."""

    campaign_bytes: int = setting(0, size(0), env="CAMPAIGN_BYTES")
    """Most payload bytes of the objects of one campaign; RESOURCE_EXHAUSTED (QUOTA_EXCEEDED). 0: any.

    Every version that is kept counts, equal contents once."""

    campaign_records: int = setting(0, count(0), env="CAMPAIGN_RECORDS")
    """Most tasks, workflows and agents of one campaign; a further one is rejected (QUOTA_EXCEEDED). 0: any."""

    query_seconds: float = setting(60.0, seconds(0.0), env="QUERY_SECONDS")
    """Longest time to evaluate a query, without the time in which its client takes results.

    RESOURCE_EXHAUSTED (QUERY_TOO_EXPENSIVE). 0: any."""

    scan_percent: int = setting(10, between(1, 100), env="SCAN_PERCENT")
    """Share of the time, in percent, that a scan computes while other calls are at work; 100: it never makes room.

    Of queries that the service evaluates itself; one that is done within milliseconds is no scan."""

    query_result_bytes: int = setting(4 << 30, size(0), env="QUERY_RESULT_BYTES")
    """Most bytes of results of one query; RESOURCE_EXHAUSTED (RESULT_TOO_LARGE). 0: any."""

    filter_depth: int = setting(50, between(1, 50), env="FILTER_DEPTH")
    """Most levels of documents and arrays in a filter; INVALID_ARGUMENT (INVALID_FILTER)."""

    filter_clauses: int = setting(1000, count(1), env="FILTER_CLAUSES")
    """Most field names and operators in a filter; INVALID_ARGUMENT (INVALID_FILTER)."""

    filter_bytes: int = setting(1 << 20, size(1 << 10), env="FILTER_BYTES")
    """Largest filter, in bytes of BSON; INVALID_ARGUMENT (INVALID_FILTER)."""

    filter_patterns: int = setting(32, count(0), env="FILTER_PATTERNS")
    """Most regular expressions in a filter; INVALID_ARGUMENT (INVALID_FILTER).

    Each has at most 2,000 characters, and is matched in time linear in the text or ended by ``query_seconds``."""

    idle_seconds: float = setting(120.0, seconds(0.0), env="IDLE_SECONDS")
    """Longest time that an upload may send nothing, and a download or query may take nothing; then it is CANCELLED.

    What an upload has sent stays staged, and clients of ours carry on by themselves. 0: any."""

    request_seconds: float = setting(10.0, seconds(0.1), env="REQUEST_SECONDS")
    """Longest time from the beginning of a call to its request message; then it is CANCELLED."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Bounds on connections."""

    max_connections: int = setting(4096, count(1), env="MAX_CONNECTIONS")
    """Most connections at the same time; a further one is closed at once, which clients see as UNAVAILABLE."""

    streams: int = setting(1024, count(1), env="CONNECTION_STREAMS")
    """Most calls at the same time on one connection; the client's gRPC keeps further ones waiting."""

    age_seconds: float = setting(0.0, seconds(0.0), env="CONNECTION_AGE_SECONDS")
    """Age at which a connection takes no further calls, give or take a tenth: clients connect anew, to any replica.

    Behind a load balancer of connections, 300 to 3600 spread clients over new replicas. 0: none."""

    grace_seconds: float = setting(300.0, seconds(0.0), env="CONNECTION_GRACE_SECONDS")
    """Time that the calls on such a connection get to finish; what is left is cut off, and clients resume it."""

    metadata_bytes: int = setting(16 << 10, size(8 << 10), env="METADATA_BYTES")
    """Largest metadata (headers) of a call; a larger one is RESOURCE_EXHAUSTED, by gRPC itself."""

    message_bytes: int = setting(4 << 20, size(4 << 20), env="MESSAGE_BYTES")
    """Largest message that is received; a larger one is RESOURCE_EXHAUSTED, by gRPC itself (MESSAGE_TOO_LARGE).

    4 MiB is what the contract promises and clients assume; there is no need for more."""

    handshake_seconds: float = setting(20.0, seconds(0.1), env="HANDSHAKE_SECONDS")
    """Time that a new connection has to begin to speak HTTP/2 (and TLS); then it is closed."""

    keepalive_seconds: float = setting(30.0, seconds(1.0), env="KEEPALIVE_SECONDS")
    """Silence after which the service asks whether a client is still there; one that says nothing for 20 s is gone."""

    ping_seconds: float = setting(10.0, seconds(0.0), env="PING_SECONDS")
    """Least time between two pings of a client; one that pings more often is disconnected (``too_many_pings``)."""
