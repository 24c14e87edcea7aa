"""Work that is done again and again, by a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

import structlog

_log = structlog.get_logger(__name__)


class Periodic:
    """Does some work at intervals, until it is stopped.

    What the work raises ends nothing: it is a defect, or something that may pass, and the service relies on the next
    time. It is logged with its traceback, once for all times in a row that fail. What is foreseen, the work handles
    itself.

    Args:
        name: Of the thread, and of the work in the log.
        work: What is done.
        interval: Seconds until the next time; asked before each.
    """

    def __init__(self, name: str, work: Callable[[], None], interval: Callable[[], float]) -> None:
        self._name = name
        self._work = work
        self._interval = interval
        self._failing = False
        self._stopped = False
        self._woken = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self, *, at_once: bool = False) -> None:
        """Begin; the first time comes after one interval.

        Args:
            at_once: Do the work a first time before this returns.
        """
        if at_once:
            self._do()
        self._thread.start()

    def wake(self) -> None:
        """Do the work now, and count the interval from then."""
        self._woken.set()

    def stop(self, timeout: float | None = None) -> None:
        """End, after the work that is under way. Calling it again, or without a start, does nothing.

        Args:
            timeout: Seconds to wait for that work at the most; None: until it is done.
        """
        self._stopped = True
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            self._woken.wait(self._interval())
            self._woken.clear()
            if self._stopped:
                return
            self._do()

    def _do(self) -> None:
        try:
            self._work()
        except Exception:  # noqa: BLE001 - whatever it is, the next time must come
            if not self._failing:
                _log.exception("periodic work failed for a reason that is not foreseen; it goes on", work=self._name)
            self._failing = True
        else:
            self._failing = False
