"""What happens to capture in forked processes."""

from __future__ import annotations

import multiprocessing.util
import os
import weakref
from collections.abc import Callable


def call_in_children(method: Callable[[], None]) -> None:
    """Call a bound method in every process that is forked from here on, first thing, as long as its object lives."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        found = reference()
        if found is not None:
            found()

    os.register_at_fork(after_in_child=call)


def call_at_end_of_workers(owner: object, method: Callable[[], object]) -> None:
    """Call a bound method at the end of every ``multiprocessing`` worker: those leave without exit handlers."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        found = reference()
        if found is not None:
            found()

    def in_worker(_: object) -> None:
        multiprocessing.util.Finalize(None, call, exitpriority=10)

    multiprocessing.util.register_after_fork(owner, in_worker)
