"""The command ``token``: makes the tokens that callers authenticate with."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from flowcept.errors import FlowceptError, InvalidArgumentError, shorten
from flowcept_service.cli.exits import EXIT_FAILURE, exit_code
from flowcept_service.domain.principals import Scope
from flowcept_service.security.tokens import new_token, read_tokens
from flowcept_service.security.watched import read_file

_DAYS = re.compile(r"(\d{1,5})d")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@click.group()
def token() -> None:
    """Make tokens for callers of the service."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the token allows; may be given several times. admin contains the others.",
)
@click.option(
    "--campaign",
    "campaigns",
    multiple=True,
    metavar="ID",
    help="Confine it to this campaign; may be given several times.",
)
@click.option("--expires", metavar="TIME", help="When it ends: 2027-01-01, 2027-01-01T12:00:00Z, or 90d from now.")
@click.option("--file", type=click.Path(path_type=Path), help="Tokens file to add the entry to; made when missing.")
@click.option("--json", "as_json", is_flag=True, help="The token and its entry as one line of JSON.")
def new(
    *,
    name: str,
    scopes: tuple[str, ...],
    campaigns: tuple[str, ...],
    expires: str | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """Make a token for NAME. It is shown once, here; the tokens file only holds its hash.

    \b
    Print the token and the entry for the tokens file:
        flowcept-service token new trainer --scope publish --scope write
    Add the entry to the file, and print only the token:
        flowcept-service token new reader --scope read --expires 90d --file tokens.toml
    """  # noqa: D301 - the backspace character tells click to keep the lines
    secret = new_token()
    try:
        entry = _entry(name, secret, scopes, campaigns, _time(expires))
        read_tokens(entry.encode())  # so that a name or campaign that the service refuses is refused here
        if file is not None:
            _add(file, entry)
    except FlowceptError as error:
        click.echo(f"flowcept-service token new: {error.message}", err=True)
        sys.exit(exit_code(error))
    except OSError as error:
        click.echo(f"flowcept-service token new: {file} cannot be written: {error.strerror or error}", err=True)
        sys.exit(EXIT_FAILURE)
    if as_json:
        click.echo(json.dumps({"token": secret, "entry": entry.rstrip("\n")}))
        return
    click.echo(secret)
    if file is None:
        click.echo("\nAdd to the tokens file (FLOWCEPT_SERVICE_AUTH_TOKENS_FILE):\n", err=True)
        click.echo(entry, nl=False)


def _entry(
    name: str, secret: str, scopes: tuple[str, ...], campaigns: tuple[str, ...], expires: datetime | None
) -> str:
    """A line of the tokens file; JSON writes texts and lists of texts as TOML does."""
    fields = {
        "sha256": json.dumps(hashlib.sha256(secret.encode()).hexdigest()),
        "scopes": json.dumps(list(dict.fromkeys(scopes))),
    }
    if campaigns:
        fields["campaigns"] = json.dumps(list(campaigns), ensure_ascii=False)
    if expires is not None:
        fields["expires"] = expires.isoformat().replace("+00:00", "Z")
    key = name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    return f"{key} = {{ {', '.join(f'{field} = {value}' for field, value in fields.items())} }}\n"


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    now = datetime.now(UTC).replace(microsecond=0)
    days = _DAYS.fullmatch(text)
    try:
        given = now + timedelta(days=int(days[1])) if days else datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgumentError(
            f"--expires is {shorten(text)}; give a time such as 2027-01-01T12:00:00Z, a date, or days such as 90d",
            field="expires",
        ) from None
    # Without a zone it is UTC, as in the tokens file.
    aware = given.astimezone(UTC) if given.tzinfo is not None else given.replace(tzinfo=UTC)
    if aware <= now:
        raise InvalidArgumentError(f"--expires is {shorten(text)}, which has passed already", field="expires")
    return aware


def _add(file: Path, entry: str) -> None:
    """Add an entry at the top, atomically: behind a section it would become part of that section.

    Raises:
        InvalidArgumentError: The file is not valid, or would not be with the entry (its name is taken).
    """
    content = read_file("--file", file) if file.exists() else b""
    if content.strip():
        read_tokens(content)
    added = entry.encode() + content
    read_tokens(added)
    draft = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    # Hashes are no secrets, but who may call is nobody else's business; an existing file keeps its mode.
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        try:
            out.write(added)
            out.flush()
            os.fsync(out.fileno())
            draft.chmod(mode)
            draft.replace(file)
        except OSError:
            draft.unlink()
            raise
