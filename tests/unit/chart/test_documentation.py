"""The chart explains itself: its values, its notes, and the package that is made of it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowcept_service.config import settings_table
from helm.values_table import read_values, readme_with, table
from tests.support.helm import Chart
from tests.support.kubernetes import LATEST, problems
from tests.support.npm import ROOT
from tests.unit.chart.cases import CASES, MUTUAL_TLS, ON_MONGODB

DIRECTORY = ROOT / "helm" / "flowcept"
VALUES = (DIRECTORY / "values.yaml").read_text()
SCHEMA: dict[str, Any] = json.loads((DIRECTORY / "values.schema.json").read_text())
METADATA: dict[str, Any] = yaml.safe_load((DIRECTORY / "Chart.yaml").read_text())


@pytest.mark.parametrize("value", list(read_values(VALUES)), ids=lambda value: str(value.path))
def test_a_value_is_documented(value: Any) -> None:
    assert value.text
    assert not value.text.endswith(".")


def test_the_table_in_the_readme_is_fresh() -> None:
    readme = (DIRECTORY / "README.md").read_text()

    assert readme == readme_with(table(), readme), "run `make values`"


def structure(value: Any) -> Any:
    """The names in values; what Kubernetes checks has no structure here."""
    return {name: structure(inner) for name, inner in value.items()} if isinstance(value, dict) else None


def declared(schema: dict[str, Any]) -> Any:
    """The names in a schema."""
    reference = schema.get("$ref", "").rpartition("/")[2]
    schema = SCHEMA["$defs"].get(reference, schema)
    properties = schema.get("properties")
    return None if properties is None else {name: declared(inner) for name, inner in properties.items()}


def missing(there: Any, here: Any, path: str = "") -> list[str]:
    """What is there and not here."""
    if there is None or here is None:
        return []
    found = [f"{path}{name}" for name in there.keys() - here.keys()]
    return found + [
        each for name in there.keys() & here.keys() for each in missing(there[name], here[name], f"{path}{name}.")
    ]


def test_the_schema_knows_every_value_and_every_group_is_closed() -> None:
    values = structure(yaml.safe_load(VALUES))

    assert missing(values, declared(SCHEMA)) == []
    # A parent chart gives the one; the other means nothing until it is given.
    assert {*missing(declared(SCHEMA), values)} - {"global"} <= {
        f"probes.{probe}.initialDelaySeconds" for probe in ("startup", "readiness", "liveness")
    }
    assert '"additionalProperties": true' not in json.dumps(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_schema_refuses_every_setting_that_a_template_sets() -> None:
    refused = {*SCHEMA["properties"]["settings"]["propertyNames"]["not"]["enum"]}
    template = (DIRECTORY / "templates" / "_pod.tpl").read_text()
    body = template.partition('define "flowcept.settings"')[2].partition('define "flowcept.env"')[0]
    names = {*re.findall(r"^([A-Z][A-Z_]+):", body, re.MULTILINE)}

    assert names
    assert names <= refused
    assert {f"FLOWCEPT_SERVICE_{name}" for name in refused} <= {row.env for row in settings_table()}


@pytest.mark.parametrize("case", CASES)
def test_lint_has_nothing_to_say(chart: Chart, case: str) -> None:
    assert chart.run("lint", "--strict", "--quiet", str(chart.directory), values=CASES[case]).strip() == ""


def test_the_package_has_what_it_needs_and_nothing_else(chart: Chart, tmp_path: Path) -> None:
    chart.run("package", str(chart.directory), "--destination", str(tmp_path))
    (archive,) = tmp_path.iterdir()

    assert archive.name == f"flowcept-{METADATA['version']}.tgz"
    packaged = Chart(chart.binary, archive, tmp_path)
    assert packaged.render(CASES["insecure"]) == chart.render(CASES["insecure"])


def test_the_chart_installs_the_version_beside_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert METADATA["appVersion"] == project["version"]


def test_the_readme_has_notes_on_upgrading_to_this_version() -> None:
    _, _, upgrading = (DIRECTORY / "README.md").read_text().partition("## Upgrading")

    assert f"| {METADATA['version']} |" in upgrading


def test_the_job_in_the_guide_uses_the_chart_s_volume_and_user(chart: Chart) -> None:
    guide = (ROOT / "docs" / "operating.md").read_text()
    (job,) = (
        yaml.safe_load(text) for text in re.findall(r"^```yaml\n(apiVersion:.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    )
    workload = next(each for each in chart.render({}, release="flowcept") if each["kind"] == "StatefulSet")
    pod, service_pod = job["spec"]["template"]["spec"], workload["spec"]["template"]["spec"]
    (container,), (service,) = pod["containers"], service_pod["containers"]
    data = {entry["name"]: entry.get("value") for entry in service["env"]}["FLOWCEPT_SERVICE_DATA_DIR"]

    assert [problems(job, version) for version in LATEST] == [[]] * len(LATEST)
    assert pod["securityContext"].items() <= service_pod["securityContext"].items()
    assert container["securityContext"] == service["securityContext"]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": f"data-{workload['metadata']['name']}-0"}
    assert container["volumeMounts"][0] in service["volumeMounts"]
    assert data in container["args"]


def test_notes_say_how_clients_reach_an_embedded_service(chart: Chart) -> None:
    notes = chart.notes({})

    assert "export FLOWCEPT_TARGET=lab-flowcept.science:50051\n" in notes
    assert "get secret lab-flowcept-token" in notes
    assert "helm test --namespace science lab" in notes
    assert "delete persistentvolumeclaim data-lab-flowcept-0" in notes
    assert "Traffic is not encrypted" in notes


def test_notes_say_how_clients_spread_over_the_pods_of_a_scaled_service(chart: Chart) -> None:
    notes = chart.notes({**ON_MONGODB, **MUTUAL_TLS})

    assert "export FLOWCEPT_TARGET=dns:///lab-flowcept-headless.science:50051 " in notes
    assert "2 to 8 pods" in notes
    assert "rollout restart deployment/lab-flowcept" in notes
    assert "not encrypted" not in notes
    assert "token" not in notes


def test_notes_warn_of_what_is_dangerous(chart: Chart) -> None:
    notes = chart.notes({"auth": {"insecure": True}, "persistence": {"enabled": False}})

    assert "whoever reaches the service may read, change and delete everything" in notes
    assert "everything is lost when the pod goes" in notes


def test_notes_warn_of_the_timeouts_of_gateways(chart: Chart) -> None:
    notes = chart.notes(CASES["a route"])
    policy = yaml.safe_load(notes[notes.index("    apiVersion: gateway.envoyproxy.io") :])

    assert policy["spec"]["targetRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "GRPCRoute", "name": "lab-flowcept"}
    ]
    assert policy["spec"]["timeout"]["http"]["requestTimeout"] == "0s"
    assert "GRPCRoute" not in chart.notes({})
