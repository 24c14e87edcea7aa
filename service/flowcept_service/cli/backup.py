"""The commands ``backup`` and ``restore``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO

import click

from flowcept.errors import FlowceptError, InvalidArgumentError, shorten
from flowcept_service.cli.offline import load_settings, reported, store_options
from flowcept_service.cli.progress import Output, size_text, stopping_at_signals, watched

_BACKUP_EPILOG = """\b
Exit codes:
  0    the backup is complete
  1    there is something under that name, the disk is full, or the store is of an incompatible version
  2    a setting is wrong, or the data is in MongoDB
  3    there is no store in that directory
  5    the store is being compacted or restored, or a disk cannot be used
  130  interrupted; nothing is left of the backup
"""
_RESTORE_EPILOG = """\b
Exit codes:
  0    restored
  1    the directory is not empty, the disk is full, or the backup is of an incompatible version
  2    a setting is wrong, or the data is in MongoDB
  3    there is no such backup
  5    the directory is in use by a running service, or a disk cannot be used
  6    the backup is damaged
  130  interrupted; nothing is left of it
"""

_COMPRESSED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip")


@click.command(epilog=_BACKUP_EPILOG)
@click.argument("target", metavar="DIR|FILE.tar|-")
@store_options
def backup(*, target: str, data_dir: str | None, store: str | None, as_json: bool, quiet: bool) -> None:
    """Back up an embedded store, whether its service runs or not.

    The backup is the store as it was when the command began; the service is not disturbed, but cannot use the space of
    what it deletes again until the backup is complete. A directory can be checked as it is; FILE.tar is one
    file; - writes the same to stdout. Nothing is overwritten, and nothing half-written gets the name.

    \b
        flowcept-service backup backups/monday
        flowcept-service check --data-dir backups/monday
        flowcept-service backup - | ssh vault 'cat > flowcept.tar'
    """  # noqa: D301 - the backspace character tells click to keep the lines
    from flowcept_service.server.offline import open_backup

    with reported("backup"):
        if target.endswith(_COMPRESSED):
            raise InvalidArgumentError(
                f"{shorten(target)} would become a directory: a backup is a directory, FILE.tar or -; to compress one, "
                "pipe it: flowcept-service backup - | gzip > FILE.tar.gz",
                field="target",
            )
        job = open_backup(load_settings(data_dir, store))
        try:
            with stopping_at_signals(job.stop), _stdout(target) as stdout:
                manifest = watched(
                    lambda: job.write(target, stdout),
                    lambda: (f"copied {size_text(job.done_bytes)}", job.done_bytes, job.total_bytes),
                    Output(as_json=as_json, quiet=quiet),
                )
        finally:
            job.close()
        _print(
            f"backed up {size_text(job.total_bytes)} to {target}", manifest.fields(), as_json=as_json, err=target == "-"
        )


@click.command(epilog=_RESTORE_EPILOG)
@click.argument("source", metavar="DIR|FILE.tar|-")
@click.option("--keep-sequence", is_flag=True, help="Let the event log go on with the number after the backup's last.")
@store_options
def restore(
    *, source: str, keep_sequence: bool, data_dir: str | None, store: str | None, as_json: bool, quiet: bool
) -> None:
    """Restore a backup into an empty data directory: all of it, verified, or nothing.

    Events get new numbers, above all that were given before, so that clients which have seen more than the backup holds
    are told so, instead of missing events without noticing. Durable consumers go on where they were. --keep-sequence
    keeps the numbers: for a store that is moved while nobody writes to it, and for one that follows another store.

    \b
        flowcept-service restore backups/monday --data-dir flowcept-data
        ssh vault 'cat flowcept.tar' | flowcept-service restore - --data-dir flowcept-data
    """  # noqa: D301 - the backspace character tells click to keep the lines
    from flowcept_service.server.offline import open_restore

    with reported("restore"):
        settings = load_settings(data_dir, store)
        job = open_restore(settings, source, keep_sequence=keep_sequence)
        with stopping_at_signals(job.stop):
            manifest = watched(
                lambda: job.run(sys.stdin.buffer),
                lambda: (f"restored {size_text(job.done_bytes)}", 0, 0),
                Output(as_json=as_json, quiet=quiet),
            )
        _print(f"restored {size_text(job.done_bytes)} into {settings.data_dir}", manifest.fields(), as_json=as_json)


@contextmanager
def _stdout(target: str) -> Iterator[BinaryIO]:
    """The standard output; what a failure leaves unwritten in it must not become a second failure at the exit."""
    if target == "-" and sys.stdout.isatty():
        raise InvalidArgumentError("stdout is a terminal; redirect it, or name a file", field="target")
    try:
        yield sys.stdout.buffer
    except FlowceptError:
        if target == "-":
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
        raise


def _print(done: str, held: Mapping[str, Any], *, as_json: bool, err: bool = False) -> None:
    """Say what was done, and what the manifest says."""
    if as_json:
        click.echo(json.dumps(held), err=err)
        return
    moment = datetime.fromisoformat(held["created_at"])
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in held["counts"].items())
    click.echo(done, err=err)
    click.echo(f"the state of {moment:%Y-%m-%d %H:%M:%S %Z}: {counts}", err=err)
    click.echo(f"events {held['oldest_sequence']:,} to {held['last_sequence']:,}", err=err)
