"""What documentation, image and chart name exists: settings, commands, files and sections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from flowcept.cli._root import root as client_command
from flowcept.config import settings_table as client_settings
from flowcept_service.cli import main as service_command
from flowcept_service.config import settings_table as service_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "helm").rglob("*.md")])
COMMANDS: dict[str, click.Command] = {"flowcept": client_command, "flowcept-service": service_command}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def inner_command(command: click.Command, word: str) -> click.Command | None:
    """The command of a group, which may be made only when it is asked for."""
    return command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None


def options(command: click.Command) -> Iterator[click.Parameter]:
    """All options of a command and of those inside it."""
    yield from command.params
    if isinstance(command, click.Group):
        for word in command.list_commands(click.Context(command)):
            inner = inner_command(command, word)
            assert inner is not None
            yield from options(inner)


def variables() -> set[str]:
    """Every environment variable that something reads."""
    of_options = {str(option.envvar) for command in COMMANDS.values() for option in options(command)}
    return {*of_options, *(row.env for row in (*client_settings(), *service_settings())), "FLOWCEPT_SETTINGS_PATH"}


def test_every_setting_that_is_named_exists() -> None:
    sources = [*PAGES, ROOT / "Dockerfile", *(path for path in (ROOT / "helm").rglob("*.*") if path.is_file())]
    named = {
        name(path): {*re.findall(r"\bFLOWCEPT_[A-Z][A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))}
        for path in sources
        if "__pycache__" not in path.parts
    }

    assert named["Dockerfile"]
    assert {path: names - variables() for path, names in named.items() if names - variables()} == {}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_command_that_is_named_exists(path: Path) -> None:
    for program, words in re.findall(r"\b(flowcept(?:-service)?) ((?:[a-z]+ )*[a-z]+)", code(path)):
        command: click.Command | None = COMMANDS[program]
        for word in words.split():
            if not isinstance(command, click.Group):
                break  # what follows are arguments
            command = inner_command(command, word)
            assert command is not None, f"{program} {words}"


def code(path: Path) -> str:
    """What a page writes as commands, each on a line of its own."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`(flowcept[^`\n]*)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    # Of a line of kubectl or helm, what comes after the dashes is run in the pod.
    lines = [re.sub(r"^(?:kubectl|helm|docker) .*?(?:-- |$)", "", line) for line in "".join(blocks).splitlines()]
    return "\n".join([*lines, *inline])


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, section = target.partition("#")
        page = (path.parent / file) if file else path
        assert page.exists(), target
        assert not section or section in sections(page), target


def sections(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
