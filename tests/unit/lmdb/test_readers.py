"""Readers in other processes hold back the reuse of pages; killed ones do not for long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flowcept_service.domain.retention import Retention
from tests.conformance.harness import FakeClock, task
from tests.unit.lmdb.conftest import Open

READ = """
import sys
from pathlib import Path
from flowcept_service.storage.lmdb.offline._snapshot import Snapshot
snapshot = Snapshot(Path(sys.argv[1]))
print("reading", flush=True)
sys.stdin.read()
"""


def test_a_sweep_forgets_readers_that_were_killed(tmp_path: Path, open_store: Open, clock: FakeClock) -> None:
    store = open_store(tmp_path)
    store.records.write([task("t1")])
    environment = store._environments[0]
    command = [sys.executable, "-c", READ, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        store.sweep(Retention(), clock())
        assert str(reader.pid) in environment._env.readers()
        reader.kill()

    store.sweep(Retention(), clock())

    assert str(reader.pid) not in environment._env.readers()
