"""The image: its Dockerfile is linted, and carried out step by step below a directory, as a container would run it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flowcept_service.config import settings_table
from flowcept_service.server import allocator
from image.lock import EXTRAS
from tests.support.conditions import PATIENCE, eventually
from tests.support.dockerfile import Builder, read_dockerfile
from tests.support.ports import ReservedPort

ROOT = Path(__file__).parents[2]
BUILD, FINAL = read_dockerfile(ROOT / "Dockerfile")
PLACES = ("/src", "/opt/", "/var/lib/flowcept")
PROGRAMS = str(Path(sys.executable).parent)


def test_the_dockerfile_follows_good_practice() -> None:
    hadolint = shutil.which("hadolint", path=f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    assert hadolint is not None, "hadolint is missing; run `make setup`"

    done = subprocess.run(
        [hadolint, "--failure-threshold", "style", str(ROOT / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_shipped_runs_nothing_while_it_is_built() -> None:
    assert FINAL.every("RUN") == []
    assert {word for copy in FINAL.every("COPY") for word in copy.value.split() if word.startswith("--from")} == {
        "--from=build"
    }


def test_it_does_not_run_as_root_and_its_data_belongs_to_that_user() -> None:
    assert FINAL.only("USER") == "10001:10001"
    assert "--from=build --chown=10001:10001 /opt/data /var/lib/flowcept" in [
        copy.value for copy in FINAL.every("COPY")
    ]


def test_its_data_is_on_a_volume() -> None:
    assert FINAL.pairs("ENV")["FLOWCEPT_SERVICE_DATA_DIR"].startswith(FINAL.only("VOLUME") + "/")


def test_it_is_stopped_by_the_signal_that_drains() -> None:
    assert FINAL.only("STOPSIGNAL") == signal.SIGTERM.name


def test_the_allocator_is_told_what_the_service_tells_it_too() -> None:
    environment = FINAL.pairs("ENV")

    assert int(environment["MALLOC_MMAP_THRESHOLD_"]) == allocator.MMAP_THRESHOLD
    assert int(environment["MALLOC_TRIM_THRESHOLD_"]) == allocator.TRIM_THRESHOLD
    assert int(environment["MALLOC_ARENA_MAX"]) == allocator.ARENAS


def test_every_setting_of_the_image_exists() -> None:
    named = {name for name in FINAL.pairs("ENV") if name.startswith("FLOWCEPT_")}

    assert named <= {row.env for row in settings_table()}


def test_its_version_is_the_distribution_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert f"VERSION={project['version']}" in [argument.value for argument in FINAL.every("ARG")]
    assert FINAL.pairs("LABEL")["org.opencontainers.image.licenses"] == project["license"]


def test_the_build_context_is_what_is_copied() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source.split("/")[0] for copy in BUILD.every("COPY") for source in copy.value.split()[:-1]}

    assert copied == allowed


def needed(name: str, extras: tuple[str, ...] = ()) -> Iterator[str]:
    """What a distribution needs, and what that needs, by canonical name."""
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(requirement.name)
            yield from needed(requirement.name, tuple(requirement.extras))


def pins(path: Path) -> dict[str, str]:
    """The versions that a file of requirements or constraints names."""
    found = re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def test_the_locked_packages_are_those_that_the_service_needs_in_the_tested_versions() -> None:
    tested = pins(ROOT / "constraints.txt")
    # Read from the project, since an environment may have been installed before the last change of it.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = (text for extra in EXTRAS for text in project["optional-dependencies"][extra])
    names: set[str] = set()
    for text in (*project["dependencies"], *optional):
        requirement = Requirement(text)
        names |= {canonicalize_name(requirement.name), *needed(requirement.name, tuple(requirement.extras))}

    assert pins(ROOT / "service" / "image" / "requirements.lock") == {name: tested[name] for name in names}, (
        "run `make lock`"
    )


class Container:
    """The built image, its processes on this machine: free ports in place of the image's."""

    def __init__(self, root: Path) -> None:
        # Only what a container would have: nothing of this environment helps the image's.
        base = {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
        self._builder = Builder(root, ROOT, PLACES, base)
        self._ports = {port: ReservedPort() for port in re.findall(r"(?<=:)\d{5}", " ".join(self.exposed()))}
        self.data = Path(self._builder.below(FINAL.pairs("ENV")["FLOWCEPT_SERVICE_DATA_DIR"]))
        self.directory = Path(self._builder.below(FINAL.only("WORKDIR")))

    @staticmethod
    def exposed() -> list[str]:
        """Texts that name the image's ports."""
        return [*FINAL.pairs("ENV").values(), *FINAL.command("HEALTHCHECK")]

    def build(self) -> None:
        self._builder.build(BUILD)
        self._builder.build(FINAL)

    def run(self, *command: str) -> subprocess.Popen[str]:
        """A process of the container: a service on this machine's loopback interface only."""
        environ = {name: self._moved(value) for name, value in self._builder.environ(FINAL).items()}
        environ["FLOWCEPT_SERVICE_INSECURE"] = "true"
        program = shutil.which(command[0], path=environ["PATH"])
        assert program is not None
        assert program.startswith(str(self._builder.root)), f"{program} is not the image's"
        words = [program, *map(self._moved, command[1:])]
        return subprocess.Popen(
            words, cwd=self.directory, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def call(self, *command: str) -> str:
        """What a command prints; it must succeed."""
        process = self.run(*command)
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output
        return output

    def programs(self) -> set[str]:
        """What is beside the service's command."""
        command = shutil.which("flowcept-service", path=self._builder.environ(FINAL)["PATH"])
        assert command is not None
        return {path.name for path in Path(command).parent.iterdir()}

    def healthy(self) -> bool:
        process = self.run(*FINAL.command("HEALTHCHECK"))
        process.communicate(timeout=PATIENCE)
        return process.returncode == 0

    def _moved(self, text: str) -> str:
        for port, free in self._ports.items():
            text = text.replace(f"0.0.0.0:{port}", f"127.0.0.1:{free.number}").replace(f":{port}", f":{free.number}")
        return text


def test_the_built_image_serves_is_healthy_keeps_blobs_and_drains(tmp_path: Path) -> None:
    # One test, since building takes longer than all the rest, and tests may run in several processes.
    container = Container(tmp_path / "image")
    container.build()
    sent, received = tmp_path / "sent.bin", tmp_path / "received.bin"
    sent.write_bytes(os.urandom(3 << 20))
    assert not container.healthy()

    service = container.run(*FINAL.command("ENTRYPOINT"), *FINAL.command("CMD"))
    try:
        eventually(container.healthy)
        target = ("flowcept", "--target", "127.0.0.1:50051", "blob")
        container.call(*target, "put", str(sent), "--object-id", "in-a-container")
        container.call(*target, "get", "in-a-container", str(received))
        service.terminate()
        output, _ = service.communicate(timeout=PATIENCE)
    finally:
        service.kill()

    assert received.read_bytes() == sent.read_bytes()
    assert service.returncode == 0, output
    assert container.data.is_dir()
    assert not [name for name in container.programs() if name.startswith(("pip", "uv", "hatch"))]
