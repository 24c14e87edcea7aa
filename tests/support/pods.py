"""A pod of the chart, run on this machine as its container says: environment, arguments, secrets and probes."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.conditions import PATIENCE
from tests.support.ports import ReservedPort

Resource = dict[str, Any]
Secrets = Mapping[str, Mapping[str, bytes]]
"""Contents of secrets, by the secret's name and by key."""

_PLACES = re.compile(r"(?<![\w./-])(?=/(?:etc/flowcept|var/lib/flowcept|tmp)\b)")
_PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


class Machine:
    """Runs containers below a directory that stands for their root, with free ports for the pods'.

    Args:
        root: The directory.
        secrets: What pods mount and read.
    """

    def __init__(self, root: Path, secrets: Secrets) -> None:
        self._root = root
        self._secrets = secrets
        self._ports: dict[int, ReservedPort] = {}

    def port(self, port: int) -> int:
        """The port on this machine for a port of a pod."""
        return self._ports.setdefault(port, ReservedPort()).number

    @contextmanager
    def running(self, pod: Resource, program: list[str]) -> Iterator[subprocess.Popen[str]]:
        """The service's container of a pod, with a program of this environment for the image's entry point."""
        (container,) = pod["containers"]
        self._mount(pod)
        log = self._root / "container.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*program, *container["args"]], env=self._environ(container), stdout=output, stderr=output, text=True
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def run(self, pod: Resource, **environ: str) -> subprocess.CompletedProcess[str]:
        """The only container of a pod that ends by itself."""
        (container,) = pod["containers"]
        self._mount(pod)
        return subprocess.run(
            [self._moved(word) for word in container["command"]],
            env={**self._environ(container), **environ},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def answers(self, probe: Resource) -> bool:
        """Whether a probe succeeds, as the kubelet asks: in plain text, for the service that it names."""
        request = health_pb2.HealthCheckRequest(service=probe["grpc"]["service"])
        with grpc.insecure_channel(f"127.0.0.1:{self.port(probe['grpc']['port'])}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            try:
                answer: health_pb2.HealthCheckResponse = stub.Check(request, timeout=probe["timeoutSeconds"])
            except grpc.RpcError:
                return False
        return answer.status == health_pb2.HealthCheckResponse.SERVING

    def _mount(self, pod: Resource) -> None:
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in pod["containers"][0]["volumeMounts"]:
            place = Path(self._moved(mount["mountPath"]))
            place.mkdir(parents=True, exist_ok=True)
            secret = volumes.get(mount["name"], {}).get("secret")
            if secret is None:
                continue
            content = self._secrets[secret["secretName"]]
            items = secret.get("items", [{"key": key, "path": key} for key in content])
            for item in items:
                (place / item["path"]).write_bytes(content[item["key"]])

    def _environ(self, container: Resource) -> dict[str, str]:
        return {"PATH": _PROGRAMS} | {entry["name"]: self._value(entry) for entry in container["env"]}

    def _value(self, entry: Resource) -> str:
        if "value" in entry:
            return self._moved(entry["value"])
        reference = entry["valueFrom"]["secretKeyRef"]
        return self._secrets[reference["name"]][reference["key"]].decode()

    def _moved(self, text: str) -> str:
        """A text with the pod's places and addresses replaced by this machine's."""
        moved = _PLACES.sub(str(self._root), text)
        return re.sub(r"0\.0\.0\.0:(\d+)", lambda found: f"127.0.0.1:{self.port(int(found[1]))}", moved)


def contents(secret: Resource) -> dict[str, bytes]:
    """What is in a secret of a chart."""
    data = {key: base64.b64decode(value) for key, value in secret.get("data", {}).items()}
    return data | {key: value.encode() for key, value in secret.get("stringData", {}).items()}
