"""A Dockerfile, read and carried out without a container engine: each of its steps, below a directory of the test's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_PAIR = re.compile(r'([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)')


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its name in capitals, and what follows it in one line."""

    name: str
    value: str

    @property
    def pairs(self) -> dict[str, str]:
        """The `name=value` pairs of ENV and LABEL."""
        return {name: value.strip('"') for name, value in _PAIR.findall(self.value)}


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands between one FROM and the next."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def every(self, name: str) -> list[Instruction]:
        """The instructions of one name, in order."""
        return [instruction for instruction in self.instructions if instruction.name == name]

    def only(self, name: str) -> str:
        """The value of an instruction that stands there once."""
        (instruction,) = self.every(name)
        return instruction.value

    def command(self, name: str) -> list[str]:
        """The words of ENTRYPOINT, CMD or HEALTHCHECK, which must have the exec form."""
        value = self.only(name)
        words: list[str] = json.loads(value[value.index("[") :])
        return words

    def pairs(self, name: str) -> dict[str, str]:
        """All pairs of ENV or LABEL."""
        return {key: value for instruction in self.every(name) for key, value in instruction.pairs.items()}


def read_dockerfile(path: Path) -> list[Stage]:
    """The stages of a Dockerfile, the one that is shipped last."""
    stages: list[tuple[str, list[Instruction]]] = []
    for instruction in _instructions(path.read_text()):
        if instruction.name == "FROM":
            stages.append((instruction.value, []))
        elif stages:
            stages[-1][1].append(instruction)
    return [
        Stage(header.partition(" AS ")[2], header.partition(" AS ")[0], tuple(instructions))
        for header, instructions in stages
    ]


def _instructions(text: str) -> Iterator[Instruction]:
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    for line in lines:
        whole = line
        while whole.endswith("\\"):
            whole = f"{whole[:-1].rstrip()} {next(lines).strip()}"
        name, _, value = whole.partition(" ")
        yield Instruction(name, value.strip())


class Builder:
    """Carries out stages below a directory that stands for the image's root.

    Args:
        root: The directory. Paths of the image that begin with one of `places` are taken to lie below it.
        context: The build context.
        places: Directories of the image that the steps write to.
        environ: The environment that the base image would have.
    """

    def __init__(self, root: Path, context: Path, places: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self.root = root
        self.context = context
        self._places = re.compile(rf"(?<![\w./-])(?={'|'.join(map(re.escape, places))})")
        self._environ = dict(environ)
        self._directory = root

    def below(self, text: str) -> str:
        """The text with the image's paths below the root directory."""
        return self._places.sub(str(self.root), text)

    def environ(self, stage: Stage) -> dict[str, str]:
        """The environment of a process of a stage."""
        environ = dict(self._environ)
        for name, value in stage.pairs("ENV").items():
            environ[name] = self.below(_VARIABLE.sub(lambda found: environ.get(found[1], ""), value))
        return environ

    def build(self, stage: Stage) -> None:
        """Carry out WORKDIR, COPY and RUN; a RUN that fails is an error, with what it printed."""
        for instruction in stage.instructions:
            if instruction.name == "WORKDIR":
                self._directory = Path(self.below(instruction.value))
                self._directory.mkdir(parents=True, exist_ok=True)
            elif instruction.name == "COPY":
                self._copy(instruction.value.split())
            elif instruction.name == "RUN":
                self._run(self.below(instruction.value), self.environ(stage))

    def _copy(self, words: list[str]) -> None:
        from_stage = any(word.startswith("--from=") for word in words)
        *sources, target = (self.below(word) for word in words if not word.startswith("--"))
        for name in sources:
            source = Path(name) if from_stage else self.context / name
            destination = self._directory / target
            if source == destination:
                continue  # stages share the root here
            if source.is_dir():
                shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                destination = destination / source.name if target.endswith("/") else destination
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, destination)

    def _run(self, command: str, environ: Mapping[str, str]) -> None:
        # The machine's package cache spares the test a download that the image has to make.
        environ = {name: value for name, value in environ.items() if name != "PIP_NO_CACHE_DIR"}
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._directory,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
