"""A service for all client tests of a session, a fake one per test, and clients that do not wait long."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from flowcept import Flowcept
from flowcept.config import ClientSettings
from flowcept.db import DBAPI
from tests.client.fake_blob_store import FakeBlobStore, serving
from tests.support.conditions import PATIENCE
from tests.support.server import service_in_process

Connect = Callable[..., DBAPI]
PATIENT = {"max_attempts": 1000, "initial_backoff": 0.01, "max_backoff": 0.1}
"""Repetitions of a client whose service is restarted: how long that takes is not for the client to judge."""


def client_settings(target: str, **values: Any) -> ClientSettings:
    """Settings for tests: short waits between attempts, small pieces."""
    given: dict[str, Any] = {
        "retry": {"initial_backoff": 0.01, "max_backoff": 0.1},
        "idle_timeout": PATIENCE,
        "chunk_size": 64 << 10,
    }
    return ClientSettings.load(environ={}, settings_path=None, target=target, **(given | values))


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients for an address; they are closed at the end."""
    with ExitStack() as stack:
        yield lambda target, **values: stack.enter_context(DBAPI(client_settings(target, **values)))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real service."""
    with service_in_process(tmp_path_factory.mktemp("service")) as running:
        yield running.target


@pytest.fixture
def db(service: str, connect: Connect) -> DBAPI:
    """A client of the real service."""
    return connect(service)


@pytest.fixture
def configured(service: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A program that knows where its service is: what it does with `Flowcept.db` arrives there."""
    monkeypatch.setenv("FLOWCEPT_TARGET", service)
    Flowcept.db.close()
    yield
    Flowcept.db.close()


@pytest.fixture
def object_id() -> str:
    """An object that no other test uses."""
    return f"object-{uuid.uuid4()}"


@pytest.fixture
def store() -> FakeBlobStore:
    """The fake service that `fake` speaks to."""
    return FakeBlobStore()


@pytest.fixture
def fake(store: FakeBlobStore, connect: Connect) -> Iterator[DBAPI]:
    """A client of the fake service."""
    with serving(store) as target:
        yield connect(target)
