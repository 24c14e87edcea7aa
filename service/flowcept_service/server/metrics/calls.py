"""Counting calls, under the names of go-grpc-prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import grpc
from prometheus_client import Counter, Histogram

from flowcept.errors import Reason
from flowcept_service.server.metrics.definitions import HANDLED, HANDLING, RECEIVED, REFUSALS, RESTS, SENT, STARTED
from flowcept_service.server.metrics.registry import Metrics

# The labels are those of Go's libraries: what dashboards look for.
_CODES = {code: "".join(word.capitalize() for word in code.name.split("_")) for code in grpc.StatusCode} | {
    grpc.StatusCode.OK: "OK",
    grpc.StatusCode.CANCELLED: "Canceled",
}


class CallMetrics:
    """The metrics of all calls.

    Args:
        metrics: Where they are kept.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._started = metrics.counter(STARTED)
        self._handled = metrics.counter(HANDLED)
        self._received = metrics.counter(RECEIVED)
        self._sent = metrics.counter(SENT)
        self._seconds = metrics.histogram(HANDLING)
        self._refusals = metrics.counter(REFUSALS)
        self._rests = metrics.counter(RESTS)

    def meter_of(self, method: str, kind: str) -> MethodMetrics:
        """The meter of one method; its metrics are there from now on, at 0."""
        _, service, name = method.split("/")
        labels = (kind, service, name)
        return MethodMetrics(
            started=self._started.labels(*labels),
            received=self._received.labels(*labels),
            sent=self._sent.labels(*labels),
            handled={code: self._handled.labels(*labels, _CODES[code]) for code in grpc.StatusCode},
            seconds=self._seconds.labels(*labels),
        )

    def refused(self, method: str, reason: Reason) -> None:
        """A call ended with an error."""
        self._refusals.labels(method.rpartition("/")[2], reason.value).inc()

    def rested(self, seconds: float) -> None:
        """A scan made room for other calls."""
        self._rests.inc(seconds)


class MethodMetrics:
    """Keeps ``rpc.metering.MethodMeter``: the metrics of one method, looked up once.

    Args:
        started: Calls that began.
        received: Messages received.
        sent: Messages sent.
        handled: Calls that ended, by code.
        seconds: How long calls took.
    """

    def __init__(
        self,
        *,
        started: Counter,
        received: Counter,
        sent: Counter,
        handled: Mapping[grpc.StatusCode, Counter],
        seconds: Histogram,
    ) -> None:
        self._handled = handled
        self._seconds = seconds
        # The counters' own methods, because these are called for every message.
        self.started: Callable[[], None] = started.inc
        self.received: Callable[[], None] = received.inc
        self.sent: Callable[[], None] = sent.inc

    def ended(self, code: grpc.StatusCode, seconds: float) -> None:
        """See ``MethodMeter.ended``."""
        self._handled[code].inc()
        self._seconds.observe(seconds)
