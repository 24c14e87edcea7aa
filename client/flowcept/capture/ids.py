"""Identifiers of tasks and messages."""

from __future__ import annotations

import itertools
import secrets
import time

from flowcept.capture.forks import call_in_children

_RANDOM_BITS = 40


class IdGenerator:
    """Makes identifiers of 128 bits: when this generator began (ms), 40 random bits, and a count.

    Thread-safe, and without a system call for each. Consecutive ones are neighbours in their order, so that a store
    that keeps them sorted touches few pages for a batch of them.
    """

    def __init__(self) -> None:
        self._begin()
        call_in_children(self._begin)

    def new(self) -> str:
        """An identifier: 32 hexadecimal digits."""
        return f"{self._prefix}{next(self._count):010x}"

    def _begin(self) -> None:
        """A forked process begins anew: it would go on with its parent's numbers."""
        milliseconds = time.time_ns() // 1_000_000
        self._prefix = f"{milliseconds:012x}{secrets.randbits(_RANDOM_BITS):010x}"
        self._count = itertools.count()
