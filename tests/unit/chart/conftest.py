"""The chart, rendered by a real Helm."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.support.helm import Chart, find_helm
from tests.support.npm import ROOT
from tests.unit.chart.cases import CASES

Resources = list[dict[str, Any]]


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """The chart. Without Helm this is an error, not a skip: nothing of the chart would be tested."""
    return Chart(find_helm(), ROOT / "helm" / "flowcept", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def rendered(chart: Chart) -> Callable[[str], Resources]:
    """The resources of a case, each case rendered once."""
    return cache(lambda case: chart.render(CASES[case]))
