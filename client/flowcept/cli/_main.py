"""Running the command: whatever happens ends in a message on stderr and a documented exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

import click

from flowcept.cli._exit import ExitCode, exit_code
from flowcept.cli._root import root
from flowcept.cli._session import Session
from flowcept.errors import FlowceptError

_log = logging.getLogger(__name__)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run with these arguments; the exit code."""
    session = Session()
    try:
        result = root.main(args=list(arguments), prog_name="flowcept", obj=session, standalone_mode=False)
    except FlowceptError as error:
        _log.debug("failed", exc_info=True)
        session.error(error)
        return exit_code(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; run the same command again to continue", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has what it wanted (`| head`). Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except OSError as error:
        _log.debug("failed", exc_info=True)
        click.echo(f"error: {error.strerror or error}: {error.filename or 'reading or writing'}", err=True)
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - a defect of ours is no reason to show a person our stack
        _log.debug("failed", exc_info=True)
        click.echo(f"error: {type(error).__name__}: {error}; -v shows where", err=True)
        return ExitCode.FAILED
    return result if isinstance(result, int) else ExitCode.OK
