"""The values of all metrics of one service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from flowcept_service.server.metrics.definitions import Definition, MetricType

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
"""Of the text format in which the metrics are exposed."""

_log = structlog.get_logger(__name__)


class Sample(NamedTuple):
    """A value that was looked up."""

    definition: Definition
    value: float
    labels: tuple[str, ...] = ()


Source = Callable[[], Iterable[Sample]]
"""Looks values up; called when somebody asks for the metrics, so it must be quick."""


class Metrics:
    """The metrics of one service, in a registry of their own: several services may be in one process.

    A part of the service asks once for a counter or histogram, and for its children by label values, and keeps them:
    counting then costs half a microsecond.
    """

    def __init__(self) -> None:
        # A second series for each counter, which says since when it counts, and which nothing reads. The library knows
        # this only for a whole process.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library annotates most, not this
        self._registry = CollectorRegistry()
        self._lookups = _Lookups()
        self._registry.register(self._lookups)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def counter(self, definition: Definition) -> Counter:
        """Make a counter; once for each definition."""
        return Counter(definition.name, definition.help, definition.labels, registry=self._registry)

    def gauge(self, definition: Definition) -> Gauge:
        """Make a gauge that is set; once for each definition. What can be looked up needs none: see ``look_up``."""
        return Gauge(definition.name, definition.help, definition.labels, registry=self._registry)

    def histogram(self, definition: Definition) -> Histogram:
        """Make a histogram; once for each definition."""
        return Histogram(
            definition.name, definition.help, definition.labels, registry=self._registry, buckets=definition.buckets
        )

    def look_up(self, source: Source) -> None:
        """Have values looked up whenever somebody asks for the metrics."""
        self._lookups.sources.append(source)

    def exposition(self) -> bytes:
        """All values in Prometheus's text format."""
        return generate_latest(self._registry)


class _Lookups(Collector):
    """Makes metrics of what the sources say."""

    def __init__(self) -> None:
        self.sources: list[Source] = []

    def describe(self) -> Sequence[GaugeMetricFamily]:
        # Without this, registering would ask the sources for their values.
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for source in self.sources:
            try:
                samples = list(source())
            except Exception:  # noqa: BLE001 - a defect in one source must not hide what the others know
                _log.exception("some metrics could not be looked up")
                continue
            for definition, value, labels in samples:
                if definition.name not in families:
                    families[definition.name] = _family(definition)
                families[definition.name].add_metric(labels, value)
        yield from families.values()


def _family(definition: Definition) -> GaugeMetricFamily | CounterMetricFamily:
    make = CounterMetricFamily if definition.type is MetricType.COUNTER else GaugeMetricFamily
    return make(definition.name, definition.help, labels=definition.labels)
