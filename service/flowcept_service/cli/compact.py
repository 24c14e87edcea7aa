"""The command ``compact``."""

from __future__ import annotations

import dataclasses
import json

import click

from flowcept_service.cli.offline import load_settings, reported, store_options
from flowcept_service.cli.progress import Output, size_text, stopping_at_signals, watched

_EPILOG = """\b
Exit codes:
  0    compacted
  1    there is not enough room for a copy, or the store is of an incompatible version
  2    a setting is wrong, or the data is in MongoDB
  3    there is no store in that directory
  5    the store is in use: by a running service, a backup or a check
  6    the store is damaged; nothing was changed
  130  interrupted; the store is as it was, or one of its two files is compacted
"""


@click.command(epilog=_EPILOG)
@store_options
def compact(*, data_dir: str | None, store: str | None, as_json: bool, quiet: bool) -> None:
    """Give the space of deleted data back to the disk. The service must be stopped.

    Without it, freed space is used again by what is written later. Each of the store's two files is copied without its
    free pages and then replaced, so there must be room for a copy. Killed at any moment, the store is whole.

    \b
        flowcept-service compact --data-dir flowcept-data
    """  # noqa: D301 - the backspace character tells click to keep the lines
    from flowcept_service.server.offline import open_compaction

    with reported("compact"):
        job = open_compaction(load_settings(data_dir, store))
        try:
            with stopping_at_signals(job.stop):
                files = watched(
                    job.run,
                    lambda: (f"copied {size_text(job.done_bytes)}", job.done_bytes, job.total_bytes),
                    Output(as_json=as_json, quiet=quiet),
                )
        finally:
            job.close()
        if as_json:
            click.echo(json.dumps({"files": [dataclasses.asdict(file) for file in files]}))
            return
        for file in files:
            click.echo(f"{file.name:<9}{size_text(file.before_bytes):>12} -> {size_text(file.after_bytes)}")
