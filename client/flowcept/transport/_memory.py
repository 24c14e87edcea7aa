"""Keeping the memory that payload pieces pass through.

By default, glibc maps each buffer of a piece anew and gives it back to the kernel once it is freed, and every page of
the next one is faulted in again: a quarter of what receiving a payload costs. Both thresholds follow the largest block
that a program has freed, so in a program that has ever let go of a large array they are high enough already.
"""

from __future__ import annotations

from functools import cache

FREED_BYTES = 8 << 20
"""glibc reuses blocks up to this size from now on, and keeps up to twice as much at the end of each heap."""


@cache
def keep_freed_memory() -> None:
    """Free one large block, which no page is ever touched of; once, for from then on it would come from a heap.

    Not ``mallopt``, which would override what the program's owner has set by environment variables. Other C libraries
    take no notice.
    """
    bytes(FREED_BYTES)
