"""``BaseConsumer``: the life cycle of code that follows the event log."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self

from flowcept.config import ClientSettings
from flowcept.consumers._message import EventMessage, to_message
from flowcept.consumers._progress import ConsumerProgress
from flowcept.errors import PreconditionError
from flowcept.transport import Connection, Event, EventAction, EventSelection, Start, Subscription, subscribe


class BaseConsumer(ABC):
    """Follows the event log and hands every message to ``message_handler``, until that returns False.

    ::

        class Printer(BaseConsumer):
            def message_handler(self, msg_obj: dict) -> bool:
                print(msg_obj["type"], msg_obj.event.sequence)
                return True

        Printer().start(threaded=False)

    Messages come in the order of the log, each once: a broken connection is made anew behind the last one, as often as
    it takes. A consumer without a name begins anew each time that it is started. One with a name is durable: the
    service remembers how far it has come, over restarts of either side. It acknowledges after the handler has returned,
    so after a crash the messages of the last ``acknowledge_interval`` seconds may come again, and none is ever missed.

    If the handler raises, the consumer stops and the message is not acknowledged. Without a thread the exception
    reaches the caller of ``start``; in a thread it is logged, kept in ``failure``, and raised by ``join``.

    Args:
        allow_mq_disabled: Accepted for callers of the Flowcept library; there is no message queue.
        name: Name of a durable consumer, at most 255 bytes; None for one that is not remembered.
        start_at: Where to start unless the service knows the name: ``latest`` (what is committed once ``start`` has
            returned), ``earliest``, or the sequence to start behind.
        selection: Which events; all when not given.
        deletions: Also hand over deletions (``msg_obj.event.action`` tells them), with the record as it was before.
        acknowledge_interval: Seconds between two acknowledgements of a durable consumer.
        settings: Settings; from environment and file when not given.
    """

    def __init__(
        self,
        allow_mq_disabled: bool = False,
        *,
        name: str | None = None,
        start_at: Start = "latest",
        selection: EventSelection | None = None,
        deletions: bool = False,
        acknowledge_interval: float = 1.0,
        settings: ClientSettings | None = None,
    ) -> None:
        del allow_mq_disabled  # see above
        self.logger = logging.getLogger(f"{type(self).__module__}.{type(self).__qualname__}")
        self.failure: BaseException | None = None
        """What ended the consumer's thread, if it was an error."""
        self._name = name
        self._start_at = start_at
        self._selection = selection
        self._deletions = deletions
        self._acknowledge_interval = acknowledge_interval
        self._settings = settings
        self._main_thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._subscription: Subscription | None = None
        self._progress: ConsumerProgress | None = None
        self._resources = ExitStack()

    @abstractmethod
    def message_handler(self, msg_obj: EventMessage) -> bool:
        """Handle one message.

        Args:
            msg_obj: ``type`` and the fields of the record; ``msg_obj.event`` has sequence, action and commit time (see
                :class:`~flowcept.consumers.EventMessage`).

        Returns:
            True to go on, False to stop.
        """

    def start(
        self,
        target: Callable[..., Any] | None = None,
        args: tuple[Any, ...] = (),
        threaded: bool = True,
        daemon: bool = False,
    ) -> Self:
        """Begin to consume. What is committed after this returns is not missed.

        Args:
            target: What to run instead of ``default_thread_target``.
            args: Its arguments.
            threaded: In a thread of its own; else here, and this returns when the consumer has stopped.
            daemon: Whether the program may end while the thread runs.

        Raises:
            PreconditionError: It is running.
            FlowceptError: The service cannot be reached, or refuses the subscription.
        """
        if self._main_thread is not None and self._main_thread.is_alive():
            raise PreconditionError(
                "the consumer is running; stop_consumption() and join() come before another start()",
            )
        self.failure = None
        if target is None:
            self._subscribe()
        run = self.default_thread_target if target is None else target
        if not threaded:
            run(*args)
            return self
        self._main_thread = threading.Thread(
            target=self._run_in_thread, args=(run, args), name=f"flowcept-consumer-{type(self).__name__}", daemon=daemon
        )
        self._main_thread.start()
        return self

    def default_thread_target(self) -> None:
        """Consume until the handler returns False or ``stop_consumption`` is called.

        Raises:
            OutOfRangeError: EVENTS_TRIMMED: the log no longer reaches back to where the consumer stands.
            FlowceptError: The service cannot be reached, or refuses.
            Exception: What the handler raised.
        """
        subscription, progress = self._subscribe()
        try:
            for batch in subscription.batches():
                for event in batch.events:
                    if subscription.is_closed or not self._handle(event, progress):
                        return
                progress.batch_done(batch.position)
        finally:
            self.stop_consumption()
            with self._lock:
                self._subscription = None
            progress.finish()
            self._resources.close()

    def stop_consumption(self) -> None:
        """Stop after the message that is being handled. Returns at once; ``join`` waits for the end."""
        with self._lock:
            if self._subscription is not None:
                self._subscription.close()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the consumer's thread has ended.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether it has ended.

        Raises:
            Exception: What ended it, if that was an error.
        """
        thread = self._main_thread
        if thread is None:
            return True
        thread.join(timeout)
        if thread.is_alive():
            return False
        if self.failure is not None:
            raise self.failure
        return True

    def catch_up(self, timeout: float | None = None) -> bool:
        """Wait until everything that was committed before this call is handled.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether it is; False also when the consumer stopped before.

        Raises:
            PreconditionError: The consumer is not running.
            FlowceptError: The service cannot be reached.
        """
        with self._lock:
            progress, subscription = self._progress, self._subscription
        if progress is None or subscription is None:
            raise PreconditionError("the consumer is not running; start() it first")
        with subscribe(progress.connection) as probe:
            goal = probe.open()
        return progress.wait_for(goal, timeout)

    def _subscribe(self) -> tuple[Subscription, ConsumerProgress]:
        """The open subscription; the one that ``start`` opened, if it did."""
        with self._lock:
            if self._subscription is not None and self._progress is not None:
                return self._subscription, self._progress
        connection = self._resources.enter_context(Connection(self._settings or ClientSettings.load()))
        subscription = subscribe(
            connection,
            start=self._start_at,
            consumer=self._name or "",
            selection=self._selection,
            heartbeat=self._acknowledge_interval,
        )
        with self._lock:
            self._subscription = subscription
        try:
            position = subscription.open()
        except BaseException:
            with self._lock:
                self._subscription = None
            self._resources.close()
            raise
        progress = ConsumerProgress(connection, self._name, position, self._acknowledge_interval)
        with self._lock:
            self._progress = progress
        return subscription, progress

    def _handle(self, event: Event, progress: ConsumerProgress) -> bool:
        """Hand one event over; whether to go on."""
        if event.action is EventAction.DELETED and not self._deletions:
            return True
        go_on = self.message_handler(to_message(event))
        progress.handled(event.sequence)
        return go_on

    def _run_in_thread(self, run: Callable[..., Any], args: tuple[Any, ...]) -> None:
        try:
            run(*args)
        except Exception as error:
            self.failure = error
            self.logger.exception("The consumer stops: its thread ended with an error")
