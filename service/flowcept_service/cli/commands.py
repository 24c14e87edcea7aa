"""The command line: options, help, and errors as one line and an exit code."""

from __future__ import annotations

import errno
import json
import sys
from importlib.metadata import version

import click

from flowcept import grpc_log
from flowcept.errors import FlowceptError
from flowcept_service.cli.backup import backup, restore
from flowcept_service.cli.check import check
from flowcept_service.cli.compact import compact
from flowcept_service.cli.config import config
from flowcept_service.cli.exits import EXIT_FAILURE, exit_code
from flowcept_service.cli.status import status
from flowcept_service.cli.token import token
from flowcept_service.cli.transfer import transfer
from flowcept_service.config import STORES, ServiceSettings, settings_table

_EPILOG = """\b
Exit codes:
  0    drained and ended, after SIGTERM or SIGINT
  1    the store holds data of an incompatible version
  2    a setting is wrong
  5    the port or the data directory is in use, or the store cannot be used or reached
  130  ended at once, by a second signal
"""


class _Commands(click.Group):
    """Tells what the system refuses (a full disk, a file of somebody else) in a line, wherever it comes up."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # who reads the output has enough of it, which click takes for a good end
            where = error.filename or "reading or writing"
            click.echo(f"flowcept-service: {error.strerror or error}: {where}", err=True)
            sys.exit(EXIT_FAILURE)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("flowcept-service"), prog_name="flowcept-service")
def main() -> None:
    """Keeps workflow provenance and versioned blobs, for clients in any language.

    \b
    Start a service on this machine, with its data in ./flowcept-data:
        flowcept-service serve
    Then, in Python:
        from flowcept import Flowcept
        object_id = Flowcept.db.save_or_update_object(b"hello", type="artifact")
    """  # noqa: D301 - the backspace character tells click to keep the lines


@main.command(epilog=_EPILOG)
@click.option("--listen", metavar="HOST:PORT", help="Where to listen; port 0 takes any free one.  [127.0.0.1:50051]")
@click.option("--store", metavar="|".join(STORES), help="Where data is kept; a second one follows.  [lmdb]")
@click.option("--data-dir", metavar="DIR", help="Directory of the embedded store, made when missing.  [flowcept-data]")
@click.option("--mongodb-uri", metavar="URI", help="Connection string of the replica set; better in the environment.")
@click.option("--tls-cert-file", metavar="FILE", help="Certificate of the service (PEM); clients must use TLS then.")
@click.option("--tls-key-file", metavar="FILE", help="Private key of the certificate (PEM).")
@click.option("--tls-client-ca-file", metavar="FILE", help="Authorities (PEM) of client certificates, for mutual TLS.")
@click.option("--auth-tokens-file", metavar="FILE", help="Who may call with which token; see `token new`.")
@click.option(
    "--insecure", is_flag=True, default=None, help="Listen beyond this machine without TLS or authentication."
)
@click.option("--ready-file", metavar="FILE", help="Written once the service answers: its address as JSON.")
@click.option("--drain-seconds", metavar="SECONDS", help="Longest wait for calls under way at the end.  [30]")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.  [info]")
@click.option("--log-format", metavar="FORMAT", help="json or console; auto: console on a terminal.  [auto]")
def serve(
    *,
    listen: str | None,
    store: str | None,
    data_dir: str | None,
    mongodb_uri: str | None,
    tls_cert_file: str | None,
    tls_key_file: str | None,
    tls_client_ca_file: str | None,
    auth_tokens_file: str | None,
    insecure: bool | None,
    ready_file: str | None,
    drain_seconds: str | None,
    log_level: str | None,
    log_format: str | None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain: calls under way finish, new ones are told to go elsewhere.

    Every option can be set in the environment too; `flowcept-service settings` lists all of them.
    """
    grpc_log.quiet()
    # Late, so that --help and --version answer at once.
    from flowcept_service.server.logs import configure_logging
    from flowcept_service.server.run import run

    try:
        settings = ServiceSettings.load(
            listen=listen,
            store=store,
            data_dir=data_dir,
            mongodb_uri=mongodb_uri,
            ready_file=ready_file,
            drain_seconds=drain_seconds,
            log={"level": log_level, "format": log_format},
            security={
                "tls_cert_file": tls_cert_file,
                "tls_key_file": tls_key_file,
                "tls_client_ca_file": tls_client_ca_file,
                "auth_tokens_file": auth_tokens_file,
                "insecure": insecure,
            },
        )
        configure_logging(settings.log)
        run(settings)
    except FlowceptError as error:
        click.echo(f"flowcept-service: {error.message}", err=True)
        sys.exit(exit_code(error))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON object per setting and line.")
def settings(*, as_json: bool) -> None:
    """List every setting: its environment variable, its default, and what it does."""
    for row in settings_table():
        if as_json:
            fields = {"env": row.env, "default": row.default, "help": row.help.replace("``", "")}
            click.echo(json.dumps(fields, default=str))
            continue
        click.echo(f"{row.env}  [{'none' if row.default is None else row.default}]")
        click.echo(click.wrap_text(row.help.replace("``", ""), initial_indent="    ", subsequent_indent="    "))


@main.command()
def metrics() -> None:
    """List every metric that the service exposes, as a page of Markdown."""
    # Late, as above: it loads the server.
    from flowcept_service.server.metrics.documentation import metrics_page

    click.echo(metrics_page(), nl=False)


for command in (config, token, status, transfer, backup, restore, check, compact):
    main.add_command(command)
