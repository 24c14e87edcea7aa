"""``flowcept blob get`` and ``verify``."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import click

from flowcept.cli._command import Command
from flowcept.cli._progress import progress_bar
from flowcept.cli._session import Session, json_option, pass_session, size_text
from flowcept.db import BlobObject
from flowcept.errors import IntegrityError, shorten

_READ_BYTES = 1 << 20

_version_option = click.option(
    "--version", type=click.IntRange(0), metavar="N", help="Exactly this version instead of the latest."
)


@click.command(cls=Command, short_help="Fetch a version into a file.")
@click.argument("object_id")
@click.argument("destination", required=False)
@_version_option
@json_option
@pass_session
def get(session: Session, object_id: str, destination: str | None, version: int | None) -> None:
    """Fetch an object into DESTINATION: a file, a directory, or - for stdout. By default a file named after the object.

    The bytes go to a .part file, are verified and renamed. A download that was interrupted is continued by running
    the same command again.

    Examples:
      flowcept blob get my-model model.pt
      flowcept blob get my-model --version 3 - | sha256sum
    """
    if destination == "-" and sys.stdout is None:
        raise click.BadParameter("stdout is closed", param_hint="DESTINATION")
    blob = session.db.get_blob_object(object_id, version)
    if destination == "-":
        _to_stdout(session, blob)
        return
    path = _path(object_id, destination)
    with progress_bar(session, path.name) as progress:
        blob.save_to(path, progress)
    session.result(
        {**blob.to_dict(), "path": str(path)},
        f"{path}  version {blob.version}  {size_text(blob.object_size_bytes)}  sha256 {blob.data_sha256}",
    )


@click.command(cls=Command, short_help="Check stored bytes, or a local file, against the digest.")
@click.argument("object_id")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@_version_option
@json_option
@pass_session
def verify(session: Session, object_id: str, file: Path | None, version: int | None) -> None:
    """Check that the stored bytes of an object, or those of FILE, have the recorded SHA-256.

    Without FILE everything is read from the service; nothing is kept. Exit code 6 if the digest differs.

    Examples:
      flowcept blob verify my-model
      flowcept blob verify my-model model.pt --version 3
    """
    if file == Path("-") and sys.stdin is None:
        raise click.BadParameter("stdin is closed", param_hint="FILE")
    blob = session.db.get_blob_object(object_id, version)
    if file is None:
        with progress_bar(session, object_id) as progress:
            for _piece in blob.chunks(progress):
                pass  # the digest is compared at the end
    else:
        _compare(blob, file)
    session.result(
        {
            "object_id": blob.object_id,
            "version": blob.version,
            "object_size_bytes": blob.object_size_bytes,
            "data_sha256": blob.data_sha256,
            "verified": True,
        },
        f"{blob.object_id}  version {blob.version}  sha256 {blob.data_sha256}  ok",
    )


def _to_stdout(session: Session, blob: BlobObject) -> None:
    with progress_bar(session, blob.object_id or "") as progress:
        for piece in blob.chunks(progress):
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _path(object_id: str, destination: str | None) -> Path:
    path = Path(destination or ".")
    if destination is not None and not path.is_dir():
        return path
    if object_id in {".", ".."} or "/" in object_id:
        raise click.UsageError(f"object {shorten(object_id)} cannot name a file; give DESTINATION")
    return path / object_id


def _compare(blob: BlobObject, file: Path) -> None:
    digest = hashlib.sha256()
    with click.open_file(str(file), "rb") as content:
        while piece := content.read(_READ_BYTES):
            digest.update(piece)
    received = digest.hexdigest()
    if received != blob.data_sha256:
        raise IntegrityError(
            f"{shorten(str(file))} has SHA-256 {received}; version {blob.version} of {shorten(blob.object_id)} has "
            f"{blob.data_sha256}",
            promised=blob.data_sha256,
            received=received,
        )
