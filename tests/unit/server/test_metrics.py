"""The table of metrics, its page, and the registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from flowcept_service.server.metrics.definitions import DEFINITIONS, Definition, MetricType
from flowcept_service.server.metrics.documentation import metrics_page
from flowcept_service.server.metrics.registry import Metrics, Sample

ROOT = Path(__file__).resolve().parents[3]
GAUGE = Definition("flowcept_some", MetricType.GAUGE, ("which",), "Something.")
COUNTER = Definition("flowcept_many_total", MetricType.COUNTER, (), "Many of it.")


def samples(metrics: Metrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_the_page_of_the_documentation_is_fresh() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert page == metrics_page(), "write it anew: flowcept-service metrics > docs/metrics.md"


def test_every_metric_is_defined_once_and_explained() -> None:
    names = [definition.name for definition in DEFINITIONS]
    assert len(set(names)) == len(names)
    assert all(definition.help.endswith(".") for definition in DEFINITIONS)
    assert all(d.name.endswith("_total") == (d.type is MetricType.COUNTER) for d in DEFINITIONS)
    assert all(bool(d.buckets) == (d.type is MetricType.HISTOGRAM) for d in DEFINITIONS)


def test_services_in_one_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.counter(COUNTER).inc()
    other.counter(COUNTER)
    assert (samples(one)[COUNTER.name], samples(other)[COUNTER.name]) == (1, 0)


def test_what_can_be_looked_up_is_looked_up_when_somebody_asks() -> None:
    metrics = Metrics()
    looked: list[int] = []

    def look_up() -> Iterator[Sample]:
        looked.append(1)
        yield Sample(GAUGE, 7, ("this",))

    metrics.look_up(look_up)
    assert not looked
    assert samples(metrics)[GAUGE.name] == 7
    assert looked == [1]


def test_a_source_that_fails_hides_nothing_of_the_others() -> None:
    metrics = Metrics()

    def broken() -> Iterator[Sample]:
        yield Sample(GAUGE, 1, ("this",))
        raise ZeroDivisionError

    metrics.look_up(broken)
    metrics.look_up(lambda: [Sample(COUNTER, 3)])
    found = samples(metrics)
    assert found[COUNTER.name] == 3
    assert GAUGE.name not in found


def test_process_metrics_come_along() -> None:
    assert samples(Metrics())["process_resident_memory_bytes"] > 1 << 20
