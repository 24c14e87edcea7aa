"""Reading the metrics of a service, as a scraper does."""

from __future__ import annotations

import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from flowcept_service.server.service import Service
from tests.support.conditions import PATIENCE


class Scrape:
    """All samples of one moment."""

    def __init__(self, exposition: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(exposition)}
        self._samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of a name that have these labels, among others; 0 when there is none."""
        return sum(s.value for s in self._samples if s.name == name and labels.items() <= s.labels.items())

    def labels(self, name: str, label: str) -> set[str]:
        """The values of a label whose sample is not 0."""
        return {s.labels[label] for s in self._samples if s.name == name and s.value}


def scrape(service: Service) -> Scrape:
    """What a service with an HTTP server exposes now."""
    return Scrape(fetch(service, "/metrics"))


def fetch(service: Service, path: str) -> str:
    """A page of a service with an HTTP server."""
    http = service.observation.http
    assert http is not None
    with urllib.request.urlopen(f"http://127.0.0.1:{http.port}{path}", timeout=PATIENCE) as response:
        return str(response.read().decode())


def status_of(service: Service, path: str) -> int:
    """The status of a page."""
    http = service.observation.http
    assert http is not None
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{http.port}{path}", timeout=PATIENCE) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
