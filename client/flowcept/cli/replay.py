"""``flowcept replay``."""

from __future__ import annotations

from pathlib import Path

import click

from flowcept.capture.replay import replay as publish_file
from flowcept.capture.service import ServicePublisher
from flowcept.cli._command import Command
from flowcept.cli._exit import ExitCode
from flowcept.cli._progress import progress_bar
from flowcept.cli._session import Session, json_option, pass_session


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@pass_session
def replay(session: Session, files: tuple[Path, ...]) -> int:
    """Publish files of captured messages: those of a run without a service, or buffer files.

    Every message is stored once, however often its file is replayed. The files stay; delete them afterwards. A line
    that cannot be stored is reported with its number and holds up no other.

    Examples:
      flowcept replay flowcept_unsent/*.jsonl
      flowcept replay flowcept_buffer.jsonl --json

    Exit codes:
      0  everything is stored    1  some lines are not    5  the service is away: run it again
    """
    publisher = ServicePublisher(session.settings, repeats=True)
    refused = 0
    try:
        for file in files:
            with progress_bar(session, file.name) as progress:
                done = publish_file(file, publisher, timeout=session.settings.timeout, progress=progress)
            for line in done.refused:
                session.warn(f"{file}:{line.line}: {line.reason}")
            refused += len(done.refused)
            bad = [{"line": line.line, "reason": line.reason} for line in done.refused]
            session.result(
                {"file": str(file), "messages": done.messages, "refused": bad},
                f"{file}: {done.messages} messages, {len(done.refused)} lines refused",
            )
    finally:
        publisher.close()
    return ExitCode.FAILED if refused else ExitCode.OK
