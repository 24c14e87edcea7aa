"""Options of the gRPC server, each with its reason."""

from __future__ import annotations

OPTIONS: tuple[tuple[str, int], ...] = (
    # The contract's limit, and gRPC's default: a client in any language works with default settings.
    ("grpc.max_receive_message_length", 4 << 20),
    # Metadata holds a token and ids; more than this is an attack.
    ("grpc.max_metadata_size", 16 << 10),
    # Off, or a second server on the port would silently take half of the connections.
    ("grpc.so_reuseport", 0),
    # A client that vanished without closing (a cable pulled, a host suspended) is noticed within a minute, and its
    # streams end.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Clients may ping as often as every 10 s, also between calls, to keep their connection alive through firewalls.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
