"""The command ``status``: what a service on this machine says of itself."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from flowcept.errors import FlowceptError
from flowcept_service.cli.exits import EXIT_FAILURE, EXIT_NOT_FOUND, EXIT_UNAVAILABLE, exit_code
from flowcept_service.config import ServiceSettings

_STALE_SECONDS = 10.0
_FINE = ("following", "copying", "connecting")
_EPILOG = """\b
Exit codes:
  0    the service runs; a second store follows, or is being filled
  1    the second store does not follow: the reason is shown
  3    no service has been started with this directory, or it has ended
  5    the service was killed, or does not report any longer
"""


@click.command(epilog=_EPILOG)
@click.option("--data-dir", metavar="DIR", help="Directory of the service's embedded store.  [flowcept-data]")
@click.option("--status-file", metavar="FILE", help="Its status file, where that is elsewhere.")
@click.option("--json", "as_json", is_flag=True, help="Everything, as one line of JSON.")
def status(*, data_dir: str | None, status_file: str | None, as_json: bool) -> None:
    """Show how a service on this machine is: its store and log, calls, sweeps, second store and last events."""
    from flowcept_service.server.status import STATUS_FILE

    try:
        settings = ServiceSettings.load(data_dir=data_dir, status_file=status_file)
    except FlowceptError as error:
        click.echo(f"flowcept-service status: {error.message}", err=True)
        sys.exit(exit_code(error))
    file = settings.status_file or settings.data_dir / STATUS_FILE
    content = _read(file)
    if content is None:
        click.echo(
            f"flowcept-service status: there is no {file}: no service runs with that directory. A service without an "
            "embedded store reports only with --status-file",
            err=True,
        )
        sys.exit(EXIT_NOT_FOUND)
    age = (datetime.now(UTC) - datetime.fromisoformat(content["updated_at"])).total_seconds()
    running = _is_running(content["pid"]) and age < _STALE_SECONDS
    if as_json:
        click.echo(json.dumps({**content, "running": running}))
    else:
        _print(content, running=running, age=age)
    if not running:
        sys.exit(EXIT_UNAVAILABLE)
    replica = content["replica"]
    sys.exit(0 if replica is None or replica["phase"] in _FINE else EXIT_FAILURE)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it runs, as another user
    return True


def _print(content: dict[str, Any], *, running: bool, age: float) -> None:
    state = "runs" if running else f"does not report any longer (last {age:,.0f} s ago): it was killed, or hangs"
    click.echo(f"service    {state}: process {content['pid']}, {content['address']}, since {content['started_at']}")
    click.echo(f"version    {content['version']}")
    ready = "yes" if content["ready"] else f"no: {content['problem']}"
    click.echo(f"ready      {ready}")
    click.echo(f"store      {content['store']}")
    _print_store(content)
    calls = ", ".join(f"{count} {method.rpartition('/')[2]}" for method, count in sorted(content["calls"].items()))
    click.echo(f"calls      {calls or 'none'} under way")
    janitor = content["janitor"]
    swept = f"last success {janitor['succeeded_at'] or 'none yet'}"
    click.echo(f"sweeps     {janitor['runs']:,}, {janitor['failures']:,} failed; {swept}")
    if janitor["problem"]:
        click.echo(f"problem    {janitor['problem']}")
    if content["replica"] is not None:
        _print_replica(content["replica"])
    for event in content["last_events"]:
        # As JSON, because users have chosen the name: it must not steer the terminal.
        name = json.dumps(event["id"])
        click.echo(f"event      {event['sequence']:,} {event['commit_time']} {event['kind']} {event['action']} {name}")


def _print_store(content: dict[str, Any]) -> None:
    if content["store_problem"]:
        click.echo(f"problem    {content['store_problem']}")
    log, staged, consumers = content["log"], content["staged"], content["consumers"]
    if log is None:
        return
    click.echo(f"log        {log['oldest']:,} to {log['last']:,}, {_mebibytes(log['size_bytes'])}")
    for database in content["databases"]:
        used, on_disk = _mebibytes(database["used_bytes"]), _mebibytes(database["file_bytes"])
        click.echo(f"database   {database['name']}: {used} used of {on_disk} on disk")
    if content["free_disk_bytes"] is not None:
        click.echo(f"free disk  {_mebibytes(content['free_disk_bytes'])}")
    click.echo(f"staged     {staged['uploads']:,} uploads, {_mebibytes(staged['bytes'])}")
    slowest = consumers["slowest"][:1]
    lag = "".join(f"; {json.dumps(one['consumer'])} is {one['lag_events']:,} events behind" for one in slowest)
    click.echo(f"consumers  {consumers['count']:,}{lag}")


def _print_replica(replica: dict[str, Any]) -> None:
    lag = "unknown: the first store does not answer" if replica["lag_events"] is None else f"{replica['lag_events']:,}"
    click.echo(f"replica    {replica['phase']}")
    click.echo(f"lag        {lag} events, level {replica['behind_seconds']:,.1f} s ago")
    click.echo(f"position   {replica['position']:,} of {replica['last_sequence']}")
    if replica["damaged_payloads"]:
        click.echo(
            f"damaged    {replica['damaged_payloads']:,} payloads could not be copied; the service's log names them"
        )
    if replica["error"]:
        click.echo(f"error      {replica['error']}")


def _mebibytes(count: int) -> str:
    return f"{count / (1 << 20):,.1f} MiB"
