"""Progress bars, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from flowcept.cli._session import Session
from flowcept.transport import Progress


@contextmanager
def progress_bar(session: Session, title: str) -> Iterator[Progress | None]:
    """A bar on stderr while the block runs, and what to tell it; None where nobody would see it."""
    if session.quiet or not sys.stderr.isatty():
        yield None
        return
    # Here, since most runs of the command show no bar.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(True), TransferSpeedColumn())
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
