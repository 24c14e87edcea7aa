"""Tokens files, and channels that send a token."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import grpc

from flowcept.v1 import blob_store_service_pb2, provenance_service_pb2

SERVICES = (
    blob_store_service_pb2.DESCRIPTOR.services_by_name["BlobStore"],
    provenance_service_pb2.DESCRIPTOR.services_by_name["Provenance"],
)
METHODS = [f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods]
"""Every method of the contract."""


def token_of(name: str) -> str:
    """The token of a principal, in tests."""
    return f"fcs_secret-of-{name}"


def entry(name: str, *, key: str = "", **fields: Any) -> str:
    """A line of a tokens file."""
    digest = hashlib.sha256(token_of(name).encode()).hexdigest()
    given = {"sha256": digest, "scopes": ["read"], **fields}
    written = ", ".join(f"{field} = {_toml(value)}" for field, value in given.items() if value is not None)
    return f"{json.dumps(key or name)} = {{ {written} }}\n"


def replace_file(file: Path, content: str | bytes) -> None:
    """Give a file another content at once, as deployments do."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_bytes(content.encode() if isinstance(content, str) else content)
    draft.replace(file)


class Bearer(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Sends a token with every call."""

    def __init__(self, token: str) -> None:
        self._token = token

    def _call(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        metadata = [*(details.metadata or ()), ("authorization", f"Bearer {self._token}")]
        return continuation(details._replace(metadata=metadata), request)

    # One function for all kinds of methods: it looks at neither requests nor responses.
    intercept_unary_unary = _call  # type: ignore[assignment]
    intercept_unary_stream = _call  # type: ignore[assignment]
    intercept_stream_unary = _call  # type: ignore[assignment]
    intercept_stream_stream = _call  # type: ignore[assignment]


def sending(channel: grpc.Channel, token: str) -> grpc.Channel:
    """The channel, with a token for every call."""
    return grpc.intercept_channel(channel, Bearer(token))


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        raise TypeError("entries have no tables inside")
    if isinstance(value, str) or value is None or isinstance(value, int | float):
        return json.dumps(value)
    if isinstance(value, Iterable):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return str(value.isoformat())
