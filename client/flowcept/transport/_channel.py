"""Making a channel from settings."""

from __future__ import annotations

import json
from pathlib import Path

import grpc

from flowcept.config import ClientSettings, RetrySettings, TlsSettings
from flowcept.errors import InvalidArgumentError, shorten
from flowcept.v1 import blob_store_service_pb2, provenance_service_pb2

# gRPC repeats these by itself when the service is away: asking twice changes nothing, or the request carries an
# identifier under which the service recognises it. Uploads and publications are repeated by their own loops; deletions
# by nobody, since a repetition whose first attempt succeeded would report that there is nothing to delete.
_REPEATABLE = (
    (
        blob_store_service_pb2.DESCRIPTOR.services_by_name["BlobStore"].full_name,
        ("GetUpload", "AbortUpload", "GetObject", "ListVersions", "UpdateObject"),
    ),
    (
        provenance_service_pb2.DESCRIPTOR.services_by_name["Provenance"].full_name,
        ("Query", "Acknowledge"),
    ),
    ("grpc.health.v1.Health", ("Check",)),
)
_MOST_ATTEMPTS = 5  # gRPC's own bound for its retries

_PEM = b"-----BEGIN "

# A connection whose other end vanished without a word (a node that lost power, a firewall that forgot) is noticed
# within the sum of the two.
_KEEPALIVE_MS = 20_000
_KEEPALIVE_TIMEOUT_MS = 10_000


def open_channel(settings: ClientSettings) -> grpc.Channel:
    """A channel to ``settings.target``. Connects in the background, on first use.

    Raises:
        InvalidArgumentError: A certificate or key file cannot be read.
    """
    return _open(settings, _options(settings))


def open_separate_channel(settings: ClientSettings) -> grpc.Channel:
    """Likewise, with a connection of its own: channels to one target share theirs, and the pauses after failures.

    Raises:
        InvalidArgumentError: A certificate or key file cannot be read.
    """
    return _open(settings, [*_options(settings), ("grpc.use_local_subchannel_pool", 1)])


def _open(settings: ClientSettings, options: list[tuple[str, str | int]]) -> grpc.Channel:
    if not settings.tls.enabled:
        return grpc.insecure_channel(settings.target, options)
    if settings.tls.server_name is not None:
        options.append(("grpc.ssl_target_name_override", settings.tls.server_name))
    return grpc.secure_channel(settings.target, _credentials(settings.tls), options)


def service_config(retry: RetrySettings) -> str:
    """The gRPC service config: spread calls over all addresses of the target, repeat the calls that may be repeated."""
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retry.max_attempts > 1:
        names = [{"service": service, "method": method} for service, methods in _REPEATABLE for method in methods]
        policy = {
            "maxAttempts": min(retry.max_attempts, _MOST_ATTEMPTS),
            "initialBackoff": f"{retry.initial_backoff:.3f}s",
            "maxBackoff": f"{retry.max_backoff:.3f}s",
            "backoffMultiplier": retry.multiplier,
            # A server that stops cancels the calls that it has not begun.
            "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
        }
        config["methodConfig"] = [{"name": names, "retryPolicy": policy}]
    return json.dumps(config)


def _options(settings: ClientSettings) -> list[tuple[str, str | int]]:
    return [
        ("grpc.service_config", service_config(settings.retry)),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.primary_user_agent", "flowcept-python"),
        # Streams are read by the thread that iterates, instead of through one that gRPC starts for each.
        ("SingleThreadedUnaryStream", 1),
        # By default gRPC waits 1 s, then up to 2 minutes, before it connects anew: longer than our own loops wait,
        # which would fail again and again for a service that is back already.
        ("grpc.initial_reconnect_backoff_ms", round(settings.retry.initial_backoff * 1000)),
        ("grpc.max_reconnect_backoff_ms", round(settings.retry.max_backoff * 1000)),
        ("grpc.min_reconnect_backoff_ms", round(settings.connect_timeout * 1000)),
    ]


def _credentials(tls: TlsSettings) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=_read("tls.ca_file", tls.ca_file),
        private_key=_read("tls.key_file", tls.key_file),
        certificate_chain=_read("tls.cert_file", tls.cert_file),
    )


def _read(field: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidArgumentError(
            f"{field} ({shorten(str(path))}) cannot be read: {error.strerror or error}; give a PEM file", field=field
        ) from None
    if _PEM not in content:
        # gRPC would only say, in its log, that something is wrong.
        raise InvalidArgumentError(
            f"{field} ({shorten(str(path))}) is no PEM file: there is no {_PEM.decode()} in it", field=field
        )
    return content
