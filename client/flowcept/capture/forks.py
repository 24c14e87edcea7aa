"""Telling objects that they live in a forked child now, where no thread and no connection of the parent exists."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """Something that must start anew in a forked child."""

    def after_fork(self) -> None:
        """Called in the child, before any of its code, while it has one thread."""


# State of the process: the system calls back by process, and such a callback can never be taken back, so there is one.
_INTERESTED: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def tell_after_fork(interested: ForkAware) -> None:
    """Call ``interested.after_fork()`` in every child that this process forks from now on, for as long as it lives."""
    _INTERESTED.add(interested)


def _tell_all() -> None:
    for interested in list(_INTERESTED):
        interested.after_fork()


os.register_at_fork(after_in_child=_tell_all)
