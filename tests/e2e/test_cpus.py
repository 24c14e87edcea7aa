"""The threads of a running service that run Python share one CPU; the others use all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from flowcept.config import ClientSettings
from flowcept.db import DBAPI
from tests.support.blobs import MIB
from tests.support.server import ServerProcess

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="there is one CPU, or no say in which"
)


def cpus_of_threads(server: ServerProcess) -> list[set[int]]:
    """The CPUs of each thread, after every kind of them has had something to do."""
    with DBAPI(ClientSettings.load(target=server.target)) as db:
        for size in (1, 16 * MIB):
            assert len(db.get_blob_object(db.save_or_update_object(bytes(size))).data) == size
    tasks = Path(f"/proc/{server.pid}/task").iterdir()
    return [os.sched_getaffinity(int(task.name)) for task in tasks]


def test_some_threads_share_one_cpu_and_the_others_use_all(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        cpus = cpus_of_threads(server)
    single = [one for one in cpus if len(one) == 1]
    # A thread for ordinary calls, one for uploads, gRPC's, and the writer's.
    assert len(single) >= 4
    assert len(set(map(frozenset, single))) == 1
    assert cpus.count(os.sched_getaffinity(0)) == len(cpus) - len(single)


def test_no_thread_is_kept_on_one_cpu_where_that_is_not_wanted(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, environ={"FLOWCEPT_SERVICE_ONE_CPU": "false"}) as server:
        cpus = cpus_of_threads(server)
    assert cpus == [os.sched_getaffinity(0)] * len(cpus)
