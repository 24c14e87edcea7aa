"""Identifiers of tasks and messages."""

from __future__ import annotations

import random

from flowcept.capture.forks import call_in_children


class IdGenerator:
    """Makes identifiers of 128 random bits, thread-safe and without a system call for each."""

    def __init__(self) -> None:
        # Not for secrets. Seeded by the system, so that processes on all machines differ.
        self._random = random.Random()  # noqa: S311
        call_in_children(self._reseed)

    def new(self) -> str:
        """An identifier: 32 hexadecimal digits."""
        return f"{self._random.getrandbits(128):032x}"

    def _reseed(self) -> None:
        """A forked process would go on with its parent's numbers."""
        self._random.seed()
