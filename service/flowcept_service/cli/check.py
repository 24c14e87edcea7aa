"""The command ``check``."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from flowcept_service.cli.exits import EXIT_FAILURE, EXIT_INTEGRITY
from flowcept_service.cli.offline import load_settings, reported, store_options
from flowcept_service.cli.progress import Output, size_text, stopping_at_signals, watched

if TYPE_CHECKING:
    from flowcept_service.server.offline import Finding, StoreCheck

_DAMAGE_SIGNALS = ("SIGBUS", "SIGSEGV", "SIGABRT")
_SHOWN = 1000
"""Findings that are listed; the rest are counted."""
_EPILOG = """\b
Exit codes:
  0    nothing is wrong, or everything that was has been repaired
  1    the store is of an incompatible version
  2    a setting is wrong, or the data is in MongoDB
  3    there is no store in that directory
  5    the store is in use (with --repair: by a running service), or cannot be read
  6    something is wrong: each finding is listed
  130  interrupted
"""


@click.command(epilog=_EPILOG)
@click.option("--repair", is_flag=True, help="Put right what follows from something else that is there.")
@click.option("--in-process", is_flag=True, hidden=True, help="What runs in the process of its own.")
@store_options
def check(
    *, repair: bool, in_process: bool, data_dir: str | None, store: str | None, as_json: bool, quiet: bool
) -> None:
    """Check an embedded store, or a backup: every byte, index, history and event.

    Without --repair nothing is changed, and the service may run: what is checked is the state of one moment. With it,
    the service must be stopped; indexes and notes that contradict the documents are made anew, and bytes that nothing
    refers to are dropped. What is lost is not invented: restore a backup.

    \b
        flowcept-service check --data-dir flowcept-data
        flowcept-service check --data-dir backups/monday --json
    """  # noqa: D301 - the backspace character tells click to keep the lines
    if not in_process:
        options = {"--data-dir": data_dir, "--store": store}
        flags = {"--repair": repair, "--json": as_json, "--quiet": quiet}
        given = [text for name, value in options.items() if value is not None for text in (name, value)]
        sys.exit(_guarded([*given, *(name for name, is_set in flags.items() if is_set)], as_json=as_json))

    from flowcept_service.server.offline import CutOffError, open_check

    with reported("check"):
        try:
            job = open_check(load_settings(data_dir, store), repair=repair)
        except CutOffError as error:
            sys.exit(_unreadable(error.message, as_json=as_json))
        result = _Result()
        try:
            with stopping_at_signals(job.stop):
                watched(lambda: result.gather(job), lambda: _view(job), Output(as_json=as_json, quiet=quiet))
        finally:
            job.close()
        if as_json:
            click.echo(json.dumps({**result.fields(), "checked": dataclasses.asdict(job.checked)}))
        else:
            _print(job, result)
        if result.damage:
            sys.exit(EXIT_INTEGRITY)


def _guarded(arguments: list[str], *, as_json: bool) -> int:
    """Check in a process of its own, because reading a database whose pages are damaged can end the process.

    Returns:
        The exit code.
    """
    command = [sys.executable, "-m", "flowcept_service", "check", "--in-process", *arguments]
    with subprocess.Popen(command) as process, stopping_at_signals(process.terminate):  # noqa: S603 - this program
        code = process.wait()
    if code >= 0:
        return code
    name = signal.Signals(-code).name
    if name not in _DAMAGE_SIGNALS:
        click.echo(f"flowcept-service check: the check was ended by {name}", err=True)
        return EXIT_FAILURE
    problem = f"reading it ended with {name}: pages of the database are missing or damaged; restore a backup"
    return _unreadable(problem, as_json=as_json)


def _unreadable(problem: str, *, as_json: bool) -> int:
    """Tell the one finding of a check that could not begin, or came to no end; the exit code."""
    kind = "database-unreadable"
    finding = {"kind": kind, "where": "", "what": "", "problem": problem, "damage": True, "repairable": False}
    if as_json:
        found = {"counts": {kind: 1}, "findings": [{**finding, "repaired": False}]}
        click.echo(json.dumps({"clean": False, "damage": 1, "repaired": 0, **found, "checked": None}))
    else:
        click.echo(f"{kind}: {problem} [not repairable]")
    return EXIT_INTEGRITY


@dataclass
class _Result:
    """What was found."""

    found: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    damage: int = 0
    """What is wrong and was not repaired."""
    shown: list[Finding] = field(default_factory=list)

    def gather(self, job: StoreCheck) -> None:
        """Run the check."""
        for finding in job.run():
            self.found[finding.kind.value] += 1
            self.repaired += finding.repaired
            self.damage += finding.is_damage and not finding.repaired
            if len(self.shown) < _SHOWN:
                self.shown.append(finding)

    def fields(self) -> dict[str, Any]:
        """As values of JSON."""
        return {
            "clean": not self.damage,
            "damage": self.damage,
            "repaired": self.repaired,
            "counts": dict(self.found),
            "findings": [
                {
                    "kind": one.kind.value,
                    "where": one.where,
                    "what": one.what,
                    "problem": one.problem,
                    "damage": one.is_damage,
                    "repairable": one.fix is not None,
                    "repaired": one.repaired,
                }
                for one in self.shown
            ],
        }


def _view(job: StoreCheck) -> tuple[str, int, int]:
    checked = job.checked
    text = f"checking {checked.stage}: {sum(checked.documents.values()):,} documents"
    return f"{text}, {size_text(checked.payload_bytes)}", checked.payload_bytes, checked.total_bytes


def _print(job: StoreCheck, result: _Result) -> None:
    checked = job.checked
    for one in result.shown:
        state = "repaired" if one.repaired else "repairable" if one.fix is not None else "not repairable"
        click.echo(f"{one.kind.value}: {one.where} {one.what}: {one.problem} [{state}]")
    more = result.found.total() - len(result.shown)
    if more:
        click.echo(f"... and {more:,} more")
    click.echo(
        f"checked {sum(checked.documents.values()):,} documents, {checked.payloads:,} payloads "
        f"({size_text(checked.payload_bytes)}) and {checked.events:,} events; {checked.staged_uploads:,} uploads are "
        f"under way ({size_text(checked.staged_bytes)})"
    )
    if not result.damage:
        click.echo(f"repaired {result.repaired:,}; nothing else is wrong" if result.repaired else "nothing is wrong")
        return
    click.echo(f"{result.damage:,} things are wrong")
    click.echo("--repair puts right what is repairable; the rest is in a backup, if anywhere", err=True)
