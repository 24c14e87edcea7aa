"""Options of the gRPC server, each with its reason."""

from __future__ import annotations

from flowcept_service.config import ConnectionOptions

_KEEPALIVE_TIMEOUT_MS = 20_000
"""What an answer may take, unless questions come more often."""


def server_options(connections: ConnectionOptions) -> list[tuple[str, int]]:
    """The options for ``grpc.server``."""
    options = [
        # The contract's limit, and gRPC's default: a client in any language works with default settings.
        ("grpc.max_receive_message_length", connections.message_bytes),
        # Metadata holds a token and ids; more than this is an attack. Both, or gRPC would refuse what is between the
        # two with a probability.
        ("grpc.max_metadata_size", connections.metadata_bytes),
        ("grpc.absolute_max_metadata_size", connections.metadata_bytes),
        # Off, or a second server on the port would silently take half of the connections.
        ("grpc.so_reuseport", 0),
        # A client that vanished without closing (a cable pulled, a host suspended) is noticed within a minute, and its
        # streams end.
        ("grpc.keepalive_time_ms", _milliseconds(connections.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", min(_KEEPALIVE_TIMEOUT_MS, _milliseconds(connections.keepalive_seconds))),
        # Clients may ping to keep their connection alive through firewalls, also between calls; but not to keep the
        # service busy.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _milliseconds(connections.ping_seconds)),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.keepalive_permit_without_calls", 1),
        # One connection must not fill all queues.
        ("grpc.max_concurrent_streams", connections.streams),
        # Each takes a file descriptor and some memory, whoever opens it.
        ("grpc.max_allowed_incoming_connections", connections.max_connections),
        # Whoever connects and says nothing, or something else than HTTP/2, is let go.
        ("grpc.server_handshake_timeout_ms", _milliseconds(connections.handshake_seconds)),
        ("grpc.http2.settings_timeout", _milliseconds(connections.handshake_seconds)),
    ]
    if connections.age_seconds:
        # So that clients come to replicas that were started after them.
        options.append(("grpc.max_connection_age_ms", _milliseconds(connections.age_seconds)))
        options.append(("grpc.max_connection_age_grace_ms", _milliseconds(connections.grace_seconds)))
    return options


def _milliseconds(seconds: float) -> int:
    return min(int(seconds * 1000), 2**31 - 1)
