"""Messages between the user's code and the service: kept in memory, published in the background, spilled to disk.

The user's code only appends to a list. A thread of ours publishes in batches, by size and by time. While the service
is away messages wait in memory, beyond a bound in files; both are published when it is back. What cannot be published
when the run ends stays in files, for ``flowcept replay``. A process that is killed loses at most what it had appended
since the last flush: one buffer or one interval.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from flowcept.capture.backlog import Backlog, Unsent
from flowcept.capture.forks import call_at_end_of_workers, call_in_children
from flowcept.capture.outlet import Outlet
from flowcept.capture.publisher import Message
from flowcept.capture.run_log import RunLog
from flowcept.capture.spool import Spool
from flowcept.config import CaptureSettings

_PUBLISH_SECONDS = 10.0  # for one batch; then the service counts as away
_SHORTEST_CALL = 0.05  # seconds; also of the last attempt, when no time is left
_FIRST_PAUSE = 0.2  # seconds between two attempts while it is away; doubles
_LONGEST_PAUSE = 5.0
_HAND_OVER_SECONDS = 30.0  # for a disk to take what a forked process is writing at its end
_BATCH_BYTES = 1024 * 1024

_log = logging.getLogger(__name__)


class MessageBuffer:
    """The messages of one run. Thread-safe.

    In a forked process it begins empty and never publishes: what is captured there is handed to the parent in files.

    Args:
        settings: Sizes and times.
        spool: Where messages go that have to wait on disk.
        run_log: Keeps a copy of all messages.
        outlet: Publishes; None when nothing is to be published during the run (offline).
        clock: Seconds that never run backwards.
    """

    def __init__(
        self,
        *,
        settings: CaptureSettings,
        spool: Spool,
        run_log: RunLog,
        outlet: Outlet | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._backlog = Backlog(spool, settings.buffer_size, _BATCH_BYTES)
        self._run_log = run_log
        self._outlet = outlet
        self._clock = clock
        self._is_child = False
        self._reset()
        call_in_children(self._begin_in_child)
        call_at_end_of_workers(self, self._hand_over)

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._pending: deque[tuple[dict[str, object], int]] = deque()
        self._in_flight: list[tuple[dict[str, object], int]] = []
        self._weight = 0
        self._spilled = False
        """Whether files of ours wait to be published; they are tried again even if no further message comes."""
        self._since = 0.0
        self._thread: threading.Thread | None = None
        self._deadline: float | None = None
        self._patience = 0.0

    @property
    def _is_offline(self) -> bool:
        return self._outlet is None and not self._is_child

    @property
    def _used_outlet(self) -> Outlet | None:
        """Publishes, in this process."""
        return None if self._is_child else self._outlet

    def append(self, message: dict[str, object], weight: int) -> None:
        """Add a message. Quick; belongs to the buffer from now on.

        Args:
            message: Plain data with its ``message_id``.
            weight: Its bytes in memory, estimated.
        """
        self._run_log.append(message, weight)
        if self._is_offline and self._run_log.is_crowded:
            self._relieve_log()  # there is no thread that does it
        with self._changed:
            if self._deadline is not None:
                raise RuntimeError("the run has ended")
            if self._is_offline:
                return  # the log has it, and nothing else is wanted
            if not self._pending:
                self._since = self._clock()
            self._pending.append((message, weight))
            self._weight += weight
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flowcept-capture", daemon=True)
                self._thread.start()
            elif len(self._pending) == self._settings.buffer_size or len(self._pending) == 1:
                self._changed.notify_all()
            if self._weight <= 2 * self._settings.max_memory:
                return
        # The thread that should make room hangs in a call. Bounded memory goes before a quick return.
        self._spill()

    def messages(self) -> list[dict[str, object]]:
        """All messages of the run so far, oldest first, as far as they are kept."""
        return self._run_log.messages()

    def close(self, timeout: float) -> Unsent:
        """Publish what is left, and write to disk what cannot be.

        Waits only while an answer may still come: not for a service that refuses connections and was never reached,
        nor for one that has been away for as long as would be waited.

        Args:
            timeout: Seconds to wait for the service.

        Raises:
            KeyboardInterrupt: The user did not want to wait. Everything is on disk all the same.
        """
        try:
            with self._changed:
                self._patience = timeout
                self._deadline = self._clock() + timeout
                thread = self._thread
                self._changed.notify_all()
            if thread is not None:
                thread.join(timeout + 1.0)  # the last attempt has its own, shorter deadline
            else:
                self._publish_files()  # those of forked processes
        except KeyboardInterrupt:
            with self._changed:
                self._deadline = self._clock()
            raise
        finally:
            with self._changed:
                # Of a call that hangs: sent or not, they are written too, since a repetition is harmless.
                self._pending.extendleft(reversed(self._in_flight))
            self._spill(everything=True)
        if self._used_outlet is not None:
            self._used_outlet.close()
        return self.unsent()

    def unsent(self) -> Unsent:
        """What the service has not taken so far, of what is not in memory any more."""
        return Unsent(() if self._is_child else tuple(self._backlog.files()), self._backlog.lost)

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        had_last_chance = False
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            try:
                delivered = self._deliver(batch)
            except Exception:  # noqa: BLE001 - the thread must not end: what it holds would be lost
                _log.exception("Captured messages wait after an error of the capture itself")
                delivered = False
            if delivered:
                pause = _FIRST_PAUSE
                continue
            self._put_back()
            if self._weight > self._settings.max_memory:
                self._spill()
            if self._is_over():
                return
            outlet = self._used_outlet
            if self._deadline is not None and outlet is not None:
                if had_last_chance and not outlet.may_recover(self._patience):
                    return
                outlet.reconnect()
                if not had_last_chance:
                    had_last_chance, pause = True, _FIRST_PAUSE
                    continue
            self._wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _next_batch(self) -> list[tuple[dict[str, object], int]] | None:
        """The next messages when it is time for them; None when the run has ended and nothing is left."""
        with self._changed:
            while not self._is_due():
                if self._deadline is not None:
                    return None
                left = self._since + self._settings.flush_interval - self._clock() if self._pending else None
                self._changed.wait(left)
            batch: list[tuple[dict[str, object], int]] = []
            size = 0
            while self._pending and len(batch) < self._settings.buffer_size and size < _BATCH_BYTES:
                message, weight = self._pending.popleft()
                batch.append((message, weight))
                size += weight
            self._weight -= size
            self._in_flight = batch
            return batch

    def _is_due(self) -> bool:
        if self._spilled:
            return True  # what waits on disk is older than what would be waited for
        return bool(self._pending) and (
            len(self._pending) >= self._settings.buffer_size
            or self._deadline is not None
            or self._clock() >= self._since + self._settings.flush_interval
        )

    def _deliver(self, batch: list[tuple[dict[str, object], int]]) -> bool:
        """Publish a batch, or in a forked process write it for the parent; whether that was done."""
        if not batch:
            return self._publish_files()
        messages: list[Message] = [message for message, _ in batch]
        outlet = self._used_outlet
        if outlet is None:
            self._backlog.write(messages)
            self._delivered()
            return True
        refused = outlet.publish(messages, self._call_timeout() or _SHORTEST_CALL)
        if refused is None:
            return False
        self._backlog.write_refused(refused)
        self._delivered()
        self._relieve_log()
        if not self._pending:
            self._publish_files()
        return True

    def _delivered(self) -> None:
        with self._changed:
            self._in_flight = []
            self._since = self._clock()
            self._changed.notify_all()

    def _publish_files(self) -> bool:
        """Publish what waits on disk, our own and that of forked processes; whether the service took all of it."""
        outlet = self._used_outlet
        if outlet is None:
            return True
        with self._changed:
            self._spilled = False  # first: another thread may spill meanwhile
        taken = self._backlog.publish(outlet, self._call_timeout)
        if not taken:
            with self._changed:
                self._spilled = True
        return taken

    def _put_back(self) -> None:
        with self._changed:
            self._pending.extendleft(reversed(self._in_flight))
            self._weight += sum(weight for _, weight in self._in_flight)
            self._in_flight = []
            self._changed.notify_all()

    def _spill(self, *, everything: bool = False) -> None:
        """Move messages from memory to disk: the older ones until half of the bound is free, or all."""
        bound = 0 if everything else self._settings.max_memory // 2
        with self._changed:
            messages: list[Message] = []
            while self._pending and (everything or self._weight > bound):
                message, weight = self._pending.popleft()
                messages.append(message)
                self._weight -= weight
            self._spilled |= bool(messages) and self._used_outlet is not None
        if messages:
            self._backlog.write(messages)

    def _relieve_log(self) -> None:
        try:
            self._run_log.relieve()
        except OSError as error:
            _log.warning("The buffer file cannot be written, its messages stay in memory: %s", error)

    def _call_timeout(self) -> float | None:
        """Seconds for the next call; None when the time is over."""
        with self._changed:
            if self._deadline is None:
                return _PUBLISH_SECONDS
            left = self._deadline - self._clock()
            return max(_SHORTEST_CALL, min(_PUBLISH_SECONDS, left)) if left > 0 else None

    def _is_over(self) -> bool:
        return self._call_timeout() is None

    def _wait(self, seconds: float) -> None:
        end = self._clock() + seconds
        with self._changed:
            was_closing = self._deadline is not None
            while (left := end - self._clock()) > 0:
                if not was_closing and self._deadline is not None:
                    return  # the run ends: try once more at once
                if self._deadline is not None:
                    left = min(left, self._deadline - self._clock())
                    if left <= 0:
                        return
                self._changed.wait(left)

    def _begin_in_child(self) -> None:
        """In a forked process: the parent has what was captured before, and its thread is not here."""
        self._is_child = True
        self._backlog.lost = 0
        self._reset()
        self._run_log.clear()

    def _hand_over(self) -> None:
        """At the end of a worker process: what is left goes to the parent."""
        if not self._is_child:
            return
        self._spill(everything=True)
        with self._changed:
            # What its thread is about to write would end half-way, with the process.
            self._changed.wait_for(lambda: not self._in_flight, _HAND_OVER_SECONDS)
        self._spill(everything=True)  # what it could not write
