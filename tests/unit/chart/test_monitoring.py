"""What Prometheus and Grafana are given: every metric and label exists, and every expression can be read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from flowcept.errors import Reason
from flowcept_service.server.metrics.definitions import DEFINITIONS, MetricType
from flowcept_service.server.metrics.registry import Metrics
from tests.support.npm import ROOT
from tests.unit.chart.resources import Resource, kinds, of_kind, only, settings

Render = Callable[[str], list[Resource]]
FILES = ROOT / "helm" / "flowcept" / "files"
ALERTS: list[dict[str, Any]] = yaml.safe_load((FILES / "alerts.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((FILES / "dashboard.json").read_text())
OF_PROMETHEUS = {"namespace", "job", "instance", "le"}
"""Labels that Prometheus adds, or that the type of the metric has."""
OF_THE_PROCESS = {
    line.split()[2].decode() for line in Metrics().exposition().splitlines() if line.startswith(b"# TYPE")
}
"""The metrics that the Prometheus library adds for every process."""


def labels_by_series() -> dict[str, set[str]]:
    """The labels of every series that the service exposes."""
    series: dict[str, set[str]] = {name: set() for name in OF_THE_PROCESS}
    for definition in DEFINITIONS:
        endings = ("_bucket", "_sum", "_count") if definition.type is MetricType.HISTOGRAM else ("",)
        series |= {f"{definition.name}{ending}": {*definition.labels} for ending in endings}
    return series


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression, by the name of its alert or panel."""
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            # What Grafana puts in when it asks.
            expression = re.sub(r"\$__rate_interval", "5m", target["expr"])
            yield f"{panel['title']} ({target['legendFormat']})", re.sub(r"\$(namespace|job)", ".*", expression)


EXPRESSIONS = dict(expressions())


def nodes(expression: Any) -> Iterator[Any]:
    """An expression and everything inside it."""
    yield expression
    for name in ("lhs", "rhs", "expr", "args", "vector_selector", "param"):
        inner = getattr(expression, name, None)
        for each in inner if isinstance(inner, list) else [inner]:
            if each is not None:
                yield from nodes(each)


def selectors(expression: str) -> list[Any]:
    return [each for each in nodes(promql_parser.parse(expression)) if isinstance(each, promql_parser.VectorSelector)]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_asks_for_series_and_labels_that_exist(name: str) -> None:
    known = labels_by_series()
    found = selectors(EXPRESSIONS[name])

    assert found
    for selector in found:
        assert selector.name in known
        asked = {matcher.name for matcher in selector.matchers.matchers}
        assert asked <= known[selector.name] | OF_PROMETHEUS


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_groups_by_labels_that_exist(name: str) -> None:
    expression = EXPRESSIONS[name]
    known = labels_by_series()
    labels = OF_PROMETHEUS.union(*(known[selector.name] for selector in selectors(expression)))
    grouped = re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", expression)

    assert {label.strip() for group in grouped for label in group.split(",")} <= labels


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_a_reason_that_is_asked_for_is_one_that_clients_are_given(name: str) -> None:
    for selector in selectors(EXPRESSIONS[name]):
        for matcher in selector.matchers.matchers:
            if matcher.name == "reason":
                assert {*matcher.value.split("|")} <= {reason.value for reason in Reason}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_is_wrong_with_labels_that_it_has(alert: dict[str, Any]) -> None:
    known = labels_by_series()
    labels = OF_PROMETHEUS.union(*(known[selector.name] for selector in selectors(alert["expr"])))
    texts = " ".join(alert["annotations"].values())

    assert alert["labels"]["severity"] in {"warning", "critical"}
    assert {"summary", "description"} == alert["annotations"].keys()
    assert {*re.findall(r"\$labels\.(\w+)", texts)} <= labels


def test_every_alert_is_explained_in_the_operations_guide() -> None:
    guide = (ROOT / "docs" / "operating.md").read_text()

    assert {*re.findall(r"`(Flowcept[A-Z]\w+)`", guide)} == {alert["alert"] for alert in ALERTS}


def test_the_rules_keep_prometheus_s_own_templates_and_get_the_labels_that_were_asked_for(rendered: Render) -> None:
    rule = only(rendered("watched"), "PrometheusRule")
    (group,) = rule["spec"]["groups"]

    assert rule["apiVersion"] == "monitoring.coreos.com/v1"
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert [entry["alert"] for entry in group["rules"]] == [alert["alert"] for alert in ALERTS]
    for entry, alert in zip(group["rules"], ALERTS, strict=True):
        assert entry == {**alert, "labels": {**alert["labels"], "team": "data"}}


def test_the_monitor_scrapes_every_pod_once(rendered: Render) -> None:
    resources = rendered("watched")
    monitor = only(resources, "ServiceMonitor")
    selector = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = [each for each in of_kind(resources, "Service") if selector <= each["metadata"]["labels"].items()]
    (endpoint,) = monitor["spec"]["endpoints"]

    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["science"]}
    assert endpoint == {"port": "http", "path": "/metrics", "interval": "15s", "scrapeTimeout": "10s"}
    assert "http" in {port["name"] for port in service["spec"]["ports"]}


def test_the_dashboard_arrives_as_it_is(rendered: Render) -> None:
    dashboard = only(rendered("watched"), "ConfigMap")

    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"] == {"grafana_folder": "Science"}
    assert json.loads(dashboard["data"]["flowcept.json"]) == DASHBOARD


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    places = [
        (column, line)
        for panel in panels
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({*places}) == len(places)
    assert max(column for column, _ in places) < 24


def test_nothing_of_it_is_there_unless_asked_for(rendered: Render) -> None:
    assert not {"ServiceMonitor", "PrometheusRule", "ConfigMap"} & kinds(rendered("defaults"))
    assert "HTTP_LISTEN" not in settings(rendered("unwatched"))


def test_files_are_in_the_chart() -> None:
    assert {path.name for path in Path(FILES).iterdir()} == {"alerts.yaml", "dashboard.json"}
