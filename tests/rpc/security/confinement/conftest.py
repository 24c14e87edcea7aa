"""Principals that are confined to a campaign, on every store: what belongs to others does not exist for them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from flowcept.v1.blob_store_service_pb2 import (
    ObjectFields,
)
from flowcept.v1.provenance_service_pb2 import (
    PublishResponse,
)
from flowcept.v1.provenance_service_pb2_grpc import ProvenanceStub
from flowcept_service.server.service import Service
from tests.support.blobs import Blobs
from tests.support.provenance import batch, task
from tests.support.security import entry, sending, token_of
from tests.support.server import service_in_process

OURS, THEIRS = "campaign-a", "campaign-b"
EVERY_SCOPE = ["read", "publish", "write"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal's way to the service."""

    blobs: Blobs
    provenance: ProvenanceStub

    def put(self, object_id: str, data: bytes = b"data", campaign: str | None = None, **fields: Any) -> int:
        """Upload a version; its number."""
        given = ObjectFields(campaign_id=campaign, **fields)
        upload_id = uuid.uuid4().hex
        return self.blobs.put(data, upload_id, object_id, fields=given, control_version=True).version

    def publish(self, task_id: str, message_id: str = "", **fields: object) -> PublishResponse:
        """Publish one task."""
        return self.provenance.Publish(batch(task(task_id, message_id, **fields)))


@pytest.fixture(scope="module", params=["lmdb", "mongodb"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    directory = tmp_path_factory.mktemp("confinement")
    file = directory / "tokens.toml"
    file.write_text(
        entry("everybody", scopes=["admin"])
        + entry("we", scopes=EVERY_SCOPE, campaigns=[OURS])
        + entry("we-too", scopes=EVERY_SCOPE, campaigns=[OURS])
        + entry("they", scopes=EVERY_SCOPE, campaigns=[THEIRS])
        + entry("our-admin", scopes=["admin"], campaigns=[OURS])
        + entry("nowhere", scopes=["admin"], campaigns=[])
        + entry("writer", scopes=["write"])
    )
    given = {"store": request.param, "security": {"auth_tokens_file": file}}
    if request.param == "mongodb":
        uri: str = request.getfixturevalue("mongodb_uri")
        given["mongodb_uri"] = database_of(uri, f"confinement_{uuid.uuid4().hex[:8]}")
    with service_in_process(directory / "data", **given) as service:
        yield service


def database_of(uri: str, name: str) -> str:
    base, mark, options = uri.partition("?")
    return f"{base.rstrip('/')}/{name}{mark}{options}"


@pytest.fixture(scope="module")
def caller(service: Service) -> Iterator[Callable[[str], Caller]]:
    with grpc.insecure_channel(service.target) as channel:

        def calling(name: str) -> Caller:
            mine = sending(channel, token_of(name))
            return Caller(Blobs(mine), ProvenanceStub(mine))

        yield calling


@pytest.fixture
def we(caller: Callable[[str], Caller]) -> Caller:
    return caller("we")


@pytest.fixture
def they(caller: Callable[[str], Caller]) -> Caller:
    return caller("they")


@pytest.fixture
def everybody(caller: Callable[[str], Caller]) -> Caller:
    return caller("everybody")


@pytest.fixture
def name() -> str:
    """A name that nothing has yet."""
    return uuid.uuid4().hex


def failure(call: Callable[[], object]) -> tuple[grpc.StatusCode, str, str]:
    """How a call fails, without the name that it was about."""
    failed = Blobs.failing(call)
    return failed.code, failed.reason, failed.error.message


NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "OBJECT_NOT_FOUND")
DENIED = (grpc.StatusCode.PERMISSION_DENIED, "CAMPAIGN_DENIED")
