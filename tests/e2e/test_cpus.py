"""The threads of a running service that run Python share one CPU; the others use all."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from flowcept.config import ClientSettings
from flowcept.db import DBAPI
from tests.support.blobs import MIB
from tests.support.conditions import eventually
from tests.support.server import ServerProcess

ALL = frozenset(os.sched_getaffinity(0)) if sys.platform == "linux" else frozenset[int]()

pytestmark = pytest.mark.skipif(len(ALL) < 2, reason="there is one CPU, or no say in which")


def work(server: ServerProcess) -> None:
    """Give every kind of threads something to do."""
    with DBAPI(ClientSettings.load(target=server.target)) as db:
        for size in (1, 16 * MIB):
            assert len(db.get_blob_object(db.save_or_update_object(bytes(size))).data) == size


def threads_by_cpus(server: ServerProcess) -> Counter[frozenset[int]]:
    """How many threads may use which CPUs."""
    found: Counter[frozenset[int]] = Counter()
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended
            found[frozenset(os.sched_getaffinity(int(task.name)))] += 1
    return found


def test_some_threads_share_one_cpu_and_the_others_use_all(tmp_path: Path) -> None:
    def is_so() -> bool:
        found = threads_by_cpus(server)
        at_home = [cpus for cpus in found if cpus != ALL]
        # A thread for ordinary calls, one for uploads, gRPC's, and the writer's; all on one, unless they are moving.
        return len(at_home) == 1 and len(at_home[0]) == 1 and found[at_home[0]] >= 4 and found[ALL] > 0

    with ServerProcess(tmp_path) as server:
        work(server)
        eventually(is_so)


def test_no_thread_is_kept_on_one_cpu_where_that_is_not_wanted(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, environ={"FLOWCEPT_SERVICE_ONE_CPU": "false"}) as server:
        work(server)
        assert set(threads_by_cpus(server)) == {ALL}
