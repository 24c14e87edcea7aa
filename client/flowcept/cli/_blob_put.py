"""``flowcept blob put``."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from flowcept.cli._command import Command
from flowcept.cli._progress import progress_bar
from flowcept.cli._session import Session, json_option, pass_session, size_text
from flowcept.db import BlobObject, SaveOptions
from flowcept.errors import InvalidArgumentError, NotFoundError, shorten

_MOST_REPEATS = 100


@click.command(cls=Command, short_help="Store a file as a new object, or as the next version of one.")
@click.argument("file")
@click.option("--object-id", metavar="ID", help="The object to create or update; made up when not given.")
@click.option("--type", help="Category label, such as ml_model, dataset or artifact.")
@click.option("--task-id", metavar="ID", help="The task that produced or consumed it.")
@click.option("--workflow-id", metavar="ID", help="The workflow execution that it belongs to.")
@click.option("--campaign-id", metavar="ID", help="The campaign that it belongs to.")
@click.option("--tag", "tags", multiple=True, help="A label; may be repeated.")
@click.option("--meta", multiple=True, metavar="KEY=VALUE", help="An attribute, JSON or text; may be repeated.")
@click.option("--metadata", metavar="JSON", help="All attributes as a JSON object.")
@click.option("--control-version", is_flag=True, help="Keep every version from now on.")
@click.option("--in-object", is_flag=True, help="Keep the bytes inside the object's document; for small files.")
@click.option("--expected-version", type=click.IntRange(0), metavar="N", help="Only if N is the latest version.")
@click.option("--must-not-exist", is_flag=True, help="Only if the object does not exist.")
@click.option("--reuse-known", is_flag=True, help="Hash first, and send only what the service does not hold yet.")
@json_option
@pass_session
def put(
    session: Session, /, file: str, meta: tuple[str, ...], metadata: str | None, in_object: bool, **given: Any
) -> None:
    """Store FILE as a new object, or as the next version of an existing one. FILE may be - for stdin.

    An upload that was interrupted is continued by running the same command again; running it again once it has
    succeeded, with the file unchanged and nothing saved since, changes nothing.

    Examples:
      flowcept blob put model.pt --object-id my-model --type ml_model --control-version
      flowcept blob put data.csv --tag raw --meta rows=120 --meta source=lab
      tar c results | flowcept blob put - --object-id results
    """
    options = SaveOptions(
        **{**given, "tags": list(given["tags"]) or None},
        custom_metadata=_attributes(meta, metadata),
        save_data_in_collection=in_object,
    )
    if file == "-":
        if sys.stdin is None:
            raise click.BadParameter("stdin is closed", param_hint="FILE")
        saved = _send(session, sys.stdin.buffer, options, "stdin")
    else:
        saved = _put_file(session, Path(file), options)
    session.result(
        saved.to_dict(),
        f"{saved.object_id}  version {saved.version}  {size_text(saved.object_size_bytes)}  sha256 {saved.data_sha256}",
    )


def _put_file(session: Session, path: Path, options: SaveOptions) -> BlobObject:
    if not path.exists():
        raise click.BadParameter(f"there is no file {shorten(str(path))}", param_hint="FILE")
    identity = _identity(session, path, options)
    if options.object_id is None:
        options = replace(options, object_id=str(uuid.UUID(identity[:32])))
    for repeat in range(_MOST_REPEATS):
        upload_id = f"put-{identity}-{repeat}"
        staged, committed = session.db.upload_state(upload_id)
        if committed is None:
            if staged:
                session.note(f"continuing at {size_text(staged)} of {size_text(path.stat().st_size)}")
            return _send(session, path, replace(options, upload_id=upload_id), path.name)
        if _is_latest(session, committed):
            session.note(f"{path.name} was stored already, and nothing has changed since")
            return committed
        # The same file was stored before and something else since, or it was deleted: this is a new version.
    raise InvalidArgumentError(
        f"{shorten(str(path))} was stored {_MOST_REPEATS} times today under this object; "
        "touch the file to store it again"
    )


def _is_latest(session: Session, version: BlobObject) -> bool:
    """Whether nothing has happened to an object since a version of it was saved."""
    try:
        latest = session.db.get_blob_object(version.object_id or "")
    except NotFoundError:
        return False
    # The number alone is not enough: an object that was deleted begins again with 0.
    return (latest.version, latest.updated_at) == (version.version, version.updated_at)


def _send(session: Session, source: Any, options: SaveOptions, title: str) -> BlobObject:
    with progress_bar(session, title) as progress:
        return session.db.save_blob(source, replace(options, progress=progress))


def _identity(session: Session, path: Path, options: SaveOptions) -> str:
    """What makes this command the same as an earlier one: the file as it is, and everything that was said about it."""
    status = path.stat()
    parts = [
        session.settings.target,
        platform.node(),
        str(path.resolve()),
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        repr(options),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _attributes(pairs: tuple[str, ...], document: str | None) -> dict[str, Any] | None:
    if not pairs and document is None:
        return None
    attributes: dict[str, Any] = {}
    if document is not None:
        try:
            value = json.loads(document)
        except ValueError as error:
            raise click.BadParameter(f"is not valid JSON: {error}", param_hint="--metadata") from None
        if not isinstance(value, dict):
            raise click.BadParameter("must be a JSON object", param_hint="--metadata")
        attributes.update(value)
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--meta")
        attributes[key] = _value(text)
    return attributes


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
