"""What a client keeps of the memory that payload pieces pass through."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

PIECES = """
import resource, sys
from flowcept.transport._memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()

def pass_pieces(count):
    for _ in range(count):
        held = [bytearray(1 << 20) for _ in range(4)]

pass_pieces(5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
pass_pieces(50)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 50 * 4 * (1 << 20) // os.sysconf("SC_PAGE_SIZE")
"""What the pieces are made of."""


def faulted(mode: str, **variables: str) -> int:
    environ = {**os.environ, **variables}
    return int(subprocess.check_output([sys.executable, "-c", PIECES, mode], env=environ, timeout=60))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc only")
def test_pieces_reuse_memory_instead_of_having_each_page_mapped_again() -> None:
    assert faulted("kept") < PAGES // 20 < PAGES // 4 < faulted("as it is")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc only")
def test_thresholds_that_were_set_for_the_program_stay() -> None:
    assert faulted("kept", MALLOC_MMAP_THRESHOLD_="131072") > PAGES // 4
