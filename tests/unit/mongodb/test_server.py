"""Which servers are accepted, and what happens while one is away."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from flowcept.errors import PreconditionError, Reason, UnavailableError
from flowcept_service.domain.records import Collection
from flowcept_service.query import parse_query
from flowcept_service.storage.mongodb import MongodbSettings, MongodbStorage
from tests.conformance.harness import BsonEventEncoder, task
from tests.support.conditions import PATIENCE, eventually
from tests.support.mongod import Mongod, find_mongod
from tests.support.ports import ReservedPort


def opened(uri: str, **settings: Any) -> MongodbStorage:
    return MongodbStorage(MongodbSettings(uri, **settings), BsonEventEncoder(), lambda: datetime.now(UTC))


@contextmanager
def lone_mongod(directory: Path, *arguments: str) -> Iterator[str]:
    """A server that belongs to no replica set."""
    held = ReservedPort()
    port = held.number
    command = [str(find_mongod()), "--dbpath", str(directory), "--port", str(port), "--bind_ip", "127.0.0.1"]
    with (directory / "mongod.log").open("wb") as log:
        process = subprocess.Popen([*command, "--nounixsocket", *arguments], stdout=log, stderr=log)
    try:
        with MongoClient[dict[str, Any]](
            "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=int(PATIENCE * 1000)
        ) as client:
            client.admin.command("hello")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("options", ["", "?replicaSet=rs0", "?directConnection=true"])
def test_a_standalone_server_is_refused_with_the_commands_that_fix_it(tmp_path: Path, options: str) -> None:
    with lone_mongod(tmp_path) as address, pytest.raises(PreconditionError) as caught:
        opened(f"mongodb://{address}/{options}", connect_seconds=2)

    assert caught.value.reason == Reason.STORAGE_INCOMPATIBLE
    assert "--replSet rs0" in str(caught.value)
    assert "rs.initiate()" in str(caught.value)


def test_a_replica_set_that_was_not_initiated_is_refused_with_the_command(tmp_path: Path) -> None:
    with lone_mongod(tmp_path, "--replSet", "rs0") as address, pytest.raises(PreconditionError, match=r"rs\.initiate"):
        opened(f"mongodb://{address}/?replicaSet=rs0", connect_seconds=2)


def test_a_server_that_does_not_answer_is_unavailable_and_named_without_credentials() -> None:
    with pytest.raises(UnavailableError) as caught:
        opened("mongodb://someone:hunter2@127.0.0.1:1/?replicaSet=rs0", connect_seconds=0.3)

    assert caught.value.reason == Reason.STORAGE_UNAVAILABLE
    assert "127.0.0.1:1" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_another_layout_is_refused(mongodb_uri: str) -> None:
    name = f"test_{uuid.uuid4().hex}"
    opened(mongodb_uri, database=name).close()
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client[name]["service.schema"].update_one({}, {"$set": {"version": 99}})

        with pytest.raises(PreconditionError, match="storage schema 99"):
            opened(mongodb_uri, database=name)

        client.drop_database(name)


def test_identifiers_that_are_not_unique_are_refused_by_name(mongodb_uri: str) -> None:
    name = f"test_{uuid.uuid4().hex}"
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        client[name]["tasks"].insert_many([{"task_id": "twice"}, {"task_id": "twice"}])

        with pytest.raises(PreconditionError, match="twice"):
            opened(mongodb_uri, database=name)

        client.drop_database(name)


def test_a_database_that_is_away_is_unavailable_and_all_goes_on_when_it_is_back() -> None:
    with Mongod() as mongod:
        storage = opened(mongod.uri, connect_seconds=0.5, retry_seconds=0.5)
        storage.records.write([task("before")])
        mongod.kill()

        calls: list[Callable[[], object]] = [
            lambda: storage.records.write([task("during", "m")]),
            lambda: storage.records.get(Collection.TASKS, "before"),
            lambda: list(storage.records.find(Collection.TASKS, parse_query())),
            lambda: storage.objects.committed("r"),
            lambda: storage.payloads.write([b"x"], "", in_object=False),
            lambda: storage.payloads.stage("u", "o", datetime.now(UTC)),
            storage.events.bounds,
            lambda: storage.events.acknowledge("c", 2**40),
        ]
        for call in calls:
            with pytest.raises(UnavailableError) as caught:
                call()
            assert caught.value.reason == Reason.STORAGE_UNAVAILABLE

        woken = threading.Event()

        def wait() -> None:
            if storage.events.wait(1, 60):
                woken.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        mongod.restart()
        # A second service, so that only the change stream (or polling) can wake the waiter.
        other = opened(mongod.uri)
        other.records.write([task("after")])

        eventually(woken.is_set)
        waiting.join()
        (outcome,) = storage.records.write([task("during", "m")])
        assert outcome.sequence in {2, 3}
        assert [storage.records.get(Collection.TASKS, name) for name in ("before", "during", "after")] == [
            {"task_id": name} for name in ("before", "during", "after")
        ]
        other.close()
        storage.close()
