"""The root command: its options, and where its sub-commands are."""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from flowcept import grpc_log
from flowcept.cli._command import Group
from flowcept.cli._session import Session

COMMANDS = {
    "blob": "flowcept.cli.blob:blob",
    "consumer": "flowcept.cli.consumer:consumer",
    "events": "flowcept.cli.events:events",
    "health": "flowcept.cli.health:health",
    "query": "flowcept.cli.query:query",
    "replay": "flowcept.cli.replay:replay",
    "task": "flowcept.cli._records:task",
    "workflow": "flowcept.cli._records:workflow",
}
"""Each command and where it is: ``module:attribute``. Only the one that runs is imported."""


class LazyGroup(Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, _ctx: click.Context, /) -> list[str]:
        """All names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str, /) -> click.Command | None:
        """The command; None for an unknown name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


_EPILOG = """\
Settings come from options, then from the environment (FLOWCEPT_TARGET, FLOWCEPT_TOKEN, ...), then from the file
that FLOWCEPT_SETTINGS_PATH names.

Exit codes:
  0  ok                     4  authentication or permission
  1  refused, or a          5  service unavailable, or no answer in time
     transfer failed        6  bytes do not match their digest
  2  wrong usage          130  interrupted
  3  not found
"""


@click.group(
    cls=LazyGroup,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--target", metavar="HOST:PORT", help="Address of the service (FLOWCEPT_TARGET; localhost:50051).")
@click.option("--token", help="Access token; better given as FLOWCEPT_TOKEN, which other users cannot see.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File that holds the token.")
@click.option("--tls/--no-tls", default=None, help="Encrypt the connection.")
@click.option("--tls-ca", type=click.Path(path_type=Path), help="Trusted certificate authorities (PEM); implies --tls.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="Client certificate (PEM), for mutual TLS.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="Private key of the client certificate (PEM).")
@click.option("--tls-server-name", help="Name in the server's certificate, where it differs from the target's.")
@click.option("--timeout", type=float, metavar="SECONDS", help="Longest wait for one answer.")
@click.option("-q", "--quiet", is_flag=True, help="No notes and no progress, only results, warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to stderr.")
@click.version_option(version("flowcept-service"), prog_name="flowcept")
@click.pass_context
def root(context: click.Context, /, quiet: bool, verbose: bool, **options: Any) -> None:
    """Workflow provenance and versioned blobs, kept by a Flowcept service."""
    session = context.ensure_object(Session)
    session.quiet = quiet
    tls = {
        name: options.pop(option)
        for name, option in (
            ("enabled", "tls"),
            ("ca_file", "tls_ca"),
            ("cert_file", "tls_cert"),
            ("key_file", "tls_key"),
            ("server_name", "tls_server_name"),
        )
    }
    session.overrides = {name: value for name, value in options.items() if value is not None}
    if given := {name: value for name, value in tls.items() if value is not None}:
        session.overrides["tls"] = given
    context.call_on_close(session.close)
    if not verbose:
        grpc_log.quiet()
    else:
        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")
