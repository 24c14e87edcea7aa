"""What happens to capture in forked processes."""

from __future__ import annotations

import multiprocessing.util
import os
import weakref
from collections.abc import Callable


def call_in_children(method: Callable[[], None]) -> None:
    """Call a bound method in every process that is forked from here on, first thing, as long as its object lives."""
    os.register_at_fork(after_in_child=_while_it_lives(method))


def call_at_end_of_workers(owner: object, method: Callable[[], object]) -> None:
    """Call a bound method at the end of every ``multiprocessing`` worker: those leave without exit handlers."""
    call = _while_it_lives(method)

    def in_worker(_: object) -> None:
        multiprocessing.util.Finalize(None, call, exitpriority=10)

    multiprocessing.util.register_after_fork(owner, in_worker)


def _while_it_lives(method: Callable[[], object]) -> Callable[[], None]:
    """A bound method that does not keep its object, and does nothing once that is gone."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        found = reference()
        if found is not None:
            found()

    return call
