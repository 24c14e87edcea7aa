"""Pods of the chart, run for real: what the chart says to a service is what a service understands."""

from __future__ import annotations

import signal
import sys
import urllib.request
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trustme

from tests.support.conditions import eventually
from tests.support.helm import Chart, find_helm
from tests.support.npm import ROOT
from tests.support.pods import Machine, Secrets, contents
from tests.support.security import entry, token_of
from tests.unit.chart.cases import CASES, MUTUAL_TLS, ON_MONGODB
from tests.unit.chart.resources import Resource, container, of_kind, only, pod_spec

PROGRAM = [sys.executable, "-m", "flowcept_service"]


@pytest.fixture
def chart(tmp_path: Path) -> Chart:
    return Chart(find_helm(), ROOT / "helm" / "flowcept", tmp_path)


def certificates() -> Secrets:
    """A service's certificate with its authority, a client's, and the authorities of clients."""
    authority = trustme.CA()
    service, client = authority.issue_cert("flowcept.example.org"), authority.issue_cert("trainer@example.org")
    root = authority.cert_pem.bytes()
    return {
        "flowcept-tls": {**pair(service), "ca.crt": root},
        "flowcept-client": pair(client),
        "clients": {"clients.pem": root},
    }


def pair(issued: trustme.LeafCert) -> dict[str, bytes]:
    return {
        "tls.crt": b"".join(part.bytes() for part in issued.cert_chain_pems),
        "tls.key": issued.private_key_pem.bytes(),
    }


def assert_it_serves(resources: list[Resource], machine: Machine) -> None:
    """It becomes ready as the probes ask, passes `helm test`, exposes metrics, and drains at the end."""
    service: dict[str, Any] = container(resources)
    probes = [service[f"{name}Probe"] for name in ("startup", "liveness", "readiness")]
    ports = {port["name"]: port["containerPort"] for port in service["ports"]}
    with machine.running(pod_spec(resources), PROGRAM) as process:
        eventually(lambda: all(machine.answers(probe) for probe in probes), seconds=60)

        test = machine.run(only(resources, "Pod")["spec"], FLOWCEPT_TARGET=f"127.0.0.1:{machine.port(ports['grpc'])}")
        assert test.returncode == 0, test.stderr

        with urllib.request.urlopen(f"http://127.0.0.1:{machine.port(ports['http'])}/metrics", timeout=10) as answer:
            assert b"\nflowcept_ready 1.0\n" in answer.read()

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def secrets_of(resources: list[Resource]) -> Secrets:
    return {secret["metadata"]["name"]: contents(secret) for secret in of_kind(resources, "Secret")}


def test_the_default_pod_serves_whoever_has_the_token_that_was_made(chart: Chart, tmp_path: Path) -> None:
    resources = chart.render({})

    assert_it_serves(resources, Machine(tmp_path, secrets_of(resources)))


def test_without_that_token_nobody_is_served(chart: Chart, tmp_path: Path) -> None:
    resources = chart.render({})
    service = container(resources)
    machine = Machine(tmp_path, secrets_of(resources))
    port = next(port["containerPort"] for port in service["ports"] if port["name"] == "grpc")
    without_token = only(chart.render(CASES["insecure"]), "Pod")["spec"]
    with machine.running(pod_spec(resources), PROGRAM):
        eventually(lambda: machine.answers(service["readinessProbe"]), seconds=60)
        test = machine.run(without_token, FLOWCEPT_TARGET=f"127.0.0.1:{machine.port(port)}")

    assert test.returncode != 0
    assert "no credentials" in test.stderr


def test_a_token_that_may_only_read_and_write_is_enough_for_the_test(chart: Chart, tmp_path: Path) -> None:
    tokens = {"tokens.toml": entry("tester", scopes=["read", "write"]).encode()}
    resources = chart.render(
        {"auth": {"tokens": {"existingSecret": "tokens"}}, "helmTest": {"token": {"existingSecret": "tester"}}}
    )

    assert_it_serves(resources, Machine(tmp_path, {"tokens": tokens, "tester": {"token": token_of("tester").encode()}}))


def test_a_pod_with_tls_serves_whoever_has_a_certificate_and_answers_probes_in_plain_text(
    chart: Chart, tmp_path: Path
) -> None:
    assert_it_serves(chart.render(MUTUAL_TLS), Machine(tmp_path, certificates()))


def test_a_pod_on_mongodb_finds_it_by_the_secret_s_connection_string(
    chart: Chart, tmp_path: Path, mongodb_uri: str
) -> None:
    uri = mongodb_uri.replace("/?", f"/chart_{uuid4().hex[:12]}?")
    resources = chart.render({**ON_MONGODB, "auth": {"insecure": True}})

    assert_it_serves(resources, Machine(tmp_path, {"science-db": {"connectionString.standard": uri.encode()}}))
