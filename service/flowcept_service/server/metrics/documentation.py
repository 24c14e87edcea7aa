"""The table of all metrics, for people."""

from __future__ import annotations

from flowcept_service.server.metrics.definitions import DEFINITIONS, Definition

_HEAD = """\
# Metrics

What `/metrics` exposes in Prometheus's text format, where `FLOWCEPT_SERVICE_HTTP_LISTEN` says. This page is the output
of `flowcept-service metrics`. Labels have few values, all chosen by the service: names that users give are none. Beside
these there are the usual metrics of a Python process (`process_*`, `python_*`).

| metric | type | labels | what it says |
|---|---|---|---|
"""


def metrics_page() -> str:
    """The page as Markdown."""
    return _HEAD + "".join(map(_row, DEFINITIONS))


def _row(definition: Definition) -> str:
    labels = ", ".join(f"`{label}`" for label in definition.labels)
    return f"| `{definition.name}` | {definition.type} | {labels} | {definition.help} |\n"
