"""What `helm test` runs, run here against a real service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.server import ServerProcess
from tests.unit.chart.resources import Resource, kinds, of_kind, only

Render = Callable[[str], list[Resource]]


def container_of_the_test(resources: list[Resource]) -> dict[str, Any]:
    (found,) = only(resources, "Pod")["spec"]["containers"]
    return dict(found)


def environment(resources: list[Resource]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container_of_the_test(resources)["env"]}


def run(resources: list[Resource], **environ: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        container_of_the_test(resources)["command"],
        env={**os.environ, **environment(resources), "PATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_puts_a_blob_gets_it_and_leaves_nothing_behind(rendered: Render, tmp_path: Path) -> None:
    resources = rendered("insecure")
    with ServerProcess(tmp_path) as server:
        done = run(resources, FLOWCEPT_TARGET=server.target, SCRATCH=str(tmp_path), HOME=str(tmp_path))
        left = subprocess.run(
            [Path(sys.executable).parent / "flowcept", "--target", server.target, "blob", "ls", "--json"],
            capture_output=True,
            text=True,
            check=True,
        )

    assert done.returncode == 0, done.stderr
    assert "the same" in done.stdout
    assert left.stdout == ""


def test_it_fails_where_no_service_answers(rendered: Render, tmp_path: Path) -> None:
    done = run(
        rendered("insecure"),
        FLOWCEPT_TARGET="127.0.0.1:1",
        FLOWCEPT_RETRY_ATTEMPTS="1",
        SCRATCH=str(tmp_path),
        HOME=str(tmp_path),
    )

    assert done.returncode != 0
    assert "cannot be reached" in done.stderr


def test_it_goes_to_the_service_of_the_release(rendered: Render) -> None:
    resources = rendered("placed by hand")
    (service,) = (each for each in of_kind(resources, "Service") if "clusterIP" not in each["spec"])
    (port,) = (port["port"] for port in service["spec"]["ports"])

    assert environment(resources)["FLOWCEPT_TARGET"] == f"{service['metadata']['name']}.science:{port}"


def mounted(resources: list[Resource]) -> dict[str, str]:
    """The secrets that the test's pod mounts, by path."""
    volumes = {volume["name"]: volume for volume in only(resources, "Pod")["spec"]["volumes"]}
    return {
        mount["mountPath"]: volumes[mount["name"]]["secret"]["secretName"]
        for mount in container_of_the_test(resources)["volumeMounts"]
        if "secret" in volumes[mount["name"]]
    }


def test_it_has_the_token_that_the_chart_made(rendered: Render) -> None:
    resources = rendered("defaults")

    assert mounted(resources) == {"/etc/flowcept/token": only(resources, "Secret")["metadata"]["name"]}
    assert environment(resources)["FLOWCEPT_TOKEN_FILE"] == "/etc/flowcept/token/token"


def test_it_speaks_tls_and_presents_a_certificate_where_these_are_needed(rendered: Render) -> None:
    resources = rendered("mutual tls")

    assert mounted(resources) == {"/etc/flowcept/ca": "flowcept-tls", "/etc/flowcept/client": "flowcept-client"}
    given = environment(resources)
    assert given["FLOWCEPT_TLS"] == "true"
    assert given["FLOWCEPT_TLS_CERT"] == "/etc/flowcept/client/tls.crt"
    assert given["FLOWCEPT_TLS_KEY"] == "/etc/flowcept/client/tls.key"
    assert given["FLOWCEPT_TLS_SERVER_NAME"] == "flowcept.example.org"


def test_it_is_a_hook_and_can_be_left_out(rendered: Render) -> None:
    annotations = only(rendered("defaults"), "Pod")["metadata"]["annotations"]

    assert annotations["helm.sh/hook"] == "test"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    assert "Pod" not in kinds(rendered("unwatched"))
