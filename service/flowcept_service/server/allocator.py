"""Telling the C library to keep the memory of payload chunks, the largest single lever on transfer speed.

By default, glibc maps each buffer of a megabyte anew and returns it to the kernel when it is freed, and every page of
the next one is faulted in again.
"""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

MMAP_THRESHOLD = 32 << 20
"""The largest that glibc accepts."""
TRIM_THRESHOLD = 64 << 20
"""Free memory at the top of a heap that is kept."""
ARENAS = 2
"""Heaps that threads share; each keeps memory of its own, so many of them would hold much."""


def keep_freed_memory() -> bool:
    """Set the thresholds; whether this C library has them. Everything works without, only more slowly."""
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    options = ((_M_MMAP_THRESHOLD, MMAP_THRESHOLD), (_M_TRIM_THRESHOLD, TRIM_THRESHOLD), (_M_ARENA_MAX, ARENAS))
    accepted = [mallopt(option, value) for option, value in options]
    return all(accepted)
