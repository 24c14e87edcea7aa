"""The limit of open files is raised in a process of its own: it belongs to the whole process."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
import resource, sys
from flowcept_service.server.descriptors import allow_connections
resource.setrlimit(resource.RLIMIT_NOFILE, (256, int(sys.argv[1])))
print(allow_connections(1000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("hard", "answer"), [(1800, "True 1512"), (1512, "True 1512"), (700, "False 700")])
def test_connections_get_descriptors_as_far_as_the_system_allows(hard: int, answer: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROBE, str(hard)], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == answer
    assert ("fewer connections fit" in done.stdout + done.stderr) == answer.startswith("False")
