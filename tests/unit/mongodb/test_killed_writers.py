"""A process that was killed within a transaction holds up the others for seconds, not for a minute or more."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient

from flowcept.errors import UnavailableError
from flowcept_service.domain.replication import ReplicaBatch
from flowcept_service.storage.mongodb import MongodbSettings, MongodbStorage
from tests.conformance.harness import BsonEventEncoder, task
from tests.support.conditions import PATIENCE, eventually

KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from flowcept_service.domain.replication import ReplicaBatch
import {module} as patched
from flowcept_service.storage.mongodb import MongodbSettings, MongodbStorage
from tests.conformance.harness import BsonEventEncoder, task

settings = MongodbSettings(sys.argv[1], database=sys.argv[2])
storage = MongodbStorage(settings, BsonEventEncoder(), lambda: datetime.now(UTC))
work = patched.{function}
def killed(*arguments):
    work(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
patched.{function} = killed
{call}
"""
CALLS = {
    "write": ("flowcept_service.storage.mongodb._commit.writer", "flush", 'storage.records.write([task("never")])'),
    "apply": (
        "flowcept_service.storage.mongodb._replica",
        "apply_batch",
        'storage.replica.apply(ReplicaBatch(b"never"))',
    ),
}


@pytest.mark.parametrize("killed", CALLS)
@pytest.mark.parametrize("waiting", CALLS)
def test_the_transaction_of_a_killed_process_is_ended_by_whoever_waits_for_it(
    mongodb_uri: str, killed: str, waiting: str
) -> None:
    name = f"test_{uuid.uuid4().hex}"
    module, function, call = CALLS[killed]
    program = KILLED.format(module=module, function=function, call=call)
    storage = MongodbStorage(MongodbSettings(mongodb_uri, database=name), BsonEventEncoder(), lambda: datetime.now(UTC))
    with MongoClient[dict[str, Any]](mongodb_uri) as client:
        server = client.admin.command({"getParameter": 1, "transactionLifetimeLimitSeconds": 1})
    ended = subprocess.run([sys.executable, "-c", program, mongodb_uri, name], check=False, timeout=PATIENCE)
    assert ended.returncode == -signal.SIGKILL

    def is_done() -> bool:
        try:
            if waiting == "write":
                storage.records.write([task("t", "m")])
            else:
                storage.replica.apply(ReplicaBatch(b"state"))
        except UnavailableError:
            return False
        return True

    eventually(is_done, server["transactionLifetimeLimitSeconds"])

    assert (storage.replica.state() == b"state") is (waiting == "apply")
    storage.database.client.drop_database(name)
    storage.close()
