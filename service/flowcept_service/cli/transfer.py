"""The command ``transfer``: one store copied into another, and compared with it."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from flowcept.errors import FlowceptError
from flowcept_service.cli.exits import (
    EXIT_FAILURE,
    EXIT_INTEGRITY,
    EXIT_INTERRUPTED,
    exit_code,
)
from flowcept_service.cli.progress import Output, View, size_text, stopping_at_signals, watched

if TYPE_CHECKING:
    from flowcept_service.server.transfer import Transfer

_EPILOG = """\b
Exit codes:
  0    copied (and, with --verify, the same)
  1    the target holds other data, or documents were left out
  2    an address is wrong
  3    there is no store at the source
  5    a store is in use by a running service, or cannot be reached
  6    bytes are damaged, or --verify has found differences
  130  interrupted; the same command goes on from there
"""


@click.command(epilog=_EPILOG)
@click.option(
    "--from",
    "source",
    metavar="ADDRESS",
    required=True,
    envvar="FLOWCEPT_SERVICE_TRANSFER_FROM",
    help="What is copied: lmdb:DIR or mongodb://HOST/DATABASE?replicaSet=NAME.",
)
@click.option(
    "--to",
    "target",
    metavar="ADDRESS",
    required=True,
    envvar="FLOWCEPT_SERVICE_TRANSFER_TO",
    help="Where to, in the same form; an embedded store is made when missing.",
)
@click.option("--verify", is_flag=True, help="Compare everything afterwards: documents, bytes, events, consumers.")
@click.option("--replace", is_flag=True, help="Give up what the target holds and the source does not.")
@click.option("--json", "as_json", is_flag=True, help="The result as one line of JSON.")
@click.option("--quiet", is_flag=True, help="No progress, also on a terminal.")
def transfer(*, source: str, target: str, verify: bool, replace: bool, as_json: bool, quiet: bool) -> None:
    """Copy a store into another: records, blobs with all versions and bytes, events, consumers' positions.

    Stop the service of an embedded store first. Interrupted, even by SIGKILL, the same command goes on where it was;
    repeated later, it copies what has changed since. Addresses with passwords are better given in the environment
    (FLOWCEPT_SERVICE_TRANSFER_FROM and FLOWCEPT_SERVICE_TRANSFER_TO).

    \b
        flowcept-service transfer --from lmdb:flowcept-data --to 'mongodb://localhost/flowcept?replicaSet=rs0' --verify
    """  # noqa: D301 - the backspace character tells click to keep the lines
    from flowcept_service.config import LogOptions
    from flowcept_service.server.logs import configure_logging
    from flowcept_service.server.stores import StoreAddress
    from flowcept_service.server.transfer import Transfer

    configure_logging(LogOptions(level="error"))
    try:
        addresses = StoreAddress.parse("--from", source), StoreAddress.parse("--to", target)
        opened = Transfer(*addresses, replace=replace)
        try:
            code = _run(opened, Output(as_json=as_json, quiet=quiet), verify=verify)
        finally:
            opened.close()
    except FlowceptError as error:
        click.echo(f"flowcept-service transfer: {error.message}", err=True)
        code = exit_code(error)
    sys.exit(code)


def _run(transfer: Transfer, output: Output, *, verify: bool) -> int:
    with stopping_at_signals(transfer.stop):
        complete = watched(transfer.copy, _copy_view(transfer), output)
        if complete and verify:
            complete = watched(transfer.verify, _verify_view(transfer), output)
    _print_result(transfer, output, complete=complete)
    progress, report = transfer.progress(), transfer.report
    if not complete:
        return EXIT_INTERRUPTED
    if progress.damaged or (report is not None and report.differences):
        return EXIT_INTEGRITY
    return EXIT_FAILURE if progress.skipped_rows else 0


def _copy_view(transfer: Transfer) -> View:
    totals = transfer.totals()

    def view() -> tuple[str, int, int]:
        progress = transfer.progress()
        done = sum(progress.rows.values())
        size = size_text(progress.payload_bytes)
        if progress.stage is None or done >= totals.rows:
            return f"events {progress.position:,}, payloads {size}", progress.position, totals.last_sequence
        where = progress.collection.value if progress.collection else "documents"
        return f"{where} {done:,} of {totals.rows:,}, payloads {size}", done, totals.rows

    return view


def _verify_view(transfer: Transfer) -> View:
    totals = transfer.totals()

    def view() -> tuple[str, int, int]:
        report = transfer.report
        if report is None:
            return "verifying", 0, 0
        done = sum(report.checked.values())
        return f"verifying: {done:,} compared, payloads {size_text(report.payload_bytes)}", done, max(totals.rows, done)

    return view


def _print_result(transfer: Transfer, output: Output, *, complete: bool) -> None:
    progress, report, held = transfer.progress(), transfer.report, transfer.held()
    if output.as_json:
        result: dict[str, Any] = {
            "complete": complete,
            "held": held,
            "changed_rows": progress.changed_rows,
            "skipped_rows": progress.skipped_rows,
            "payloads": progress.payloads,
            "payload_bytes": progress.payload_bytes,
            "events": progress.events,
            "damaged": [dataclasses.asdict(damaged) for damaged in progress.damaged],
            "verified": None
            if report is None
            else {
                "checked": dict(report.checked),
                "payload_bytes": report.payload_bytes,
                "different": dict(report.different),
                "differences": [dataclasses.asdict(difference) for difference in report.differences],
            },
        }
        click.echo(json.dumps(result))
        return
    size = size_text(progress.payload_bytes)
    click.echo(
        f"copied {progress.changed_rows:,} documents, {progress.payloads:,} payloads ({size}) and {progress.events:,} "
        "events"
    )
    rows = ", ".join(f"{count:,} {name}" for name, count in held.items() if name != "last_sequence")
    click.echo(f"the target holds {rows}; its log ends at {held['last_sequence']:,}")
    for damaged in progress.damaged:
        click.echo(f"damaged: {damaged.problem}")
    if progress.skipped_rows:
        click.echo(f"left out: {progress.skipped_rows:,} documents without an identifier")
    if report is not None:
        _print_report(report.checked.total(), report.different.total(), report.differences)
    if not complete:
        click.echo("interrupted; the same command goes on from here", err=True)


def _print_report(checked: int, different: int, differences: list[Any]) -> None:
    if not different:
        click.echo(f"verified: {checked:,} items compared, no difference")
        return
    for difference in differences:
        click.echo(f"different: {difference.where} {difference.what} {difference.problem}")
    if different > len(differences):
        click.echo(f"... and {different - len(differences):,} more")
    click.echo(f"verified: {checked:,} items compared, {different:,} different")
