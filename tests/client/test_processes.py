"""One client in several threads and processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

from flowcept.db import DBAPI
from tests.support.conditions import PATIENCE

FORKING = """
import os, sys
from flowcept.config import ClientSettings
from flowcept.db import DBAPI

db = DBAPI(ClientSettings.load(target=sys.argv[1]))
if sys.argv[2] == "used":
    assert db.liveness_test()
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        data = os.urandom(3 << 20)
        object_id = db.save_or_update_object(data)
        os._exit(0 if db.get_blob_object(object_id).data == data else 1)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
assert db.liveness_test()
print(codes)
"""


def forked(target: str, state: str) -> list[int]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FLOWCEPT_")}
    done = subprocess.run(
        [sys.executable, "-c", FORKING, target, state],
        capture_output=True,
        env=environ,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    codes: list[int] = json.loads(done.stdout)
    return codes


def test_forked_children_have_connections_of_their_own(service: str) -> None:
    assert forked(service, "unused") == [0, 0, 0, 0]


def test_a_client_that_was_used_before_the_fork_works_after_it(service: str) -> None:
    assert forked(service, "used") == [0, 0, 0, 0]


def test_threads_share_one_client(db: DBAPI) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for size in (10, 3 << 20):
                data = bytes([number]) * size
                assert db.get_blob_object(db.save_or_update_object(data)).data == data
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
