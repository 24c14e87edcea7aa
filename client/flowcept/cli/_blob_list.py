"""``flowcept blob ls``, ``stat`` and ``history``."""

from __future__ import annotations

import click

from flowcept.cli._command import Command
from flowcept.cli._documents import combined
from flowcept.cli._session import Session, json_option, pass_session

_LIST_COLUMNS = ("object_id", "version", "type", "object_size_bytes", "updated_at", "workflow_id", "tags")
_HISTORY_COLUMNS = ("version", "prev_version", "updated_at", "updated_by", "object_size_bytes", "data_sha256", "tags")


@click.command(cls=Command, short_help="List objects, the latest version of each.")
@click.option("--type", help="Only of this category.")
@click.option("--workflow-id", metavar="ID", help="Only of this workflow execution.")
@click.option("--campaign-id", metavar="ID", help="Only of this campaign.")
@click.option("--task-id", metavar="ID", help="Only of this task.")
@click.option("--tag", "tags", multiple=True, help="Only with this label; may be repeated.")
@click.option("--filter", "document", metavar="JSON", help="A filter in MongoDB's query language.")
@click.option(
    "--limit", type=click.IntRange(0), metavar="N", default=100, show_default=True, help="At most so many; 0 for all."
)
@json_option
@pass_session
def ls(session: Session, /, tags: tuple[str, ...], document: str | None, limit: int, **equal: str | None) -> None:
    """List objects, newest first.

    Examples:
      flowcept blob ls --type ml_model --tag best
      flowcept blob ls --filter '{"custom_metadata.accuracy": {"$gt": 0.9}}' --json
    """
    found = session.db.iter_query(
        filter=combined(document, equal, *({"tags": tag} for tag in tags)),
        sort=[("updated_at", -1)],
        limit=limit,
        collection="objects",
    )
    count = session.rows(found, _LIST_COLUMNS)
    if limit and count == limit:
        session.note(f"the newest {limit}; --limit 0 lists all")


@click.command(cls=Command, short_help="Show what is known about a version.")
@click.argument("object_id")
@click.option("--version", type=click.IntRange(0), metavar="N", help="Exactly this version instead of the latest.")
@json_option
@pass_session
def stat(session: Session, object_id: str, version: int | None) -> None:
    """Show the metadata and the fingerprint of an object, without its bytes.

    Examples:
      flowcept blob stat my-model
      flowcept blob stat my-model --version 0 --json
    """
    session.result(session.db.get_blob_object(object_id, version).to_dict())


@click.command(cls=Command, short_help="List the versions of an object.")
@click.argument("object_id")
@json_option
@pass_session
def history(session: Session, object_id: str) -> None:
    """List the versions of an object that are kept, newest first.

    Examples:
      flowcept blob history my-model
      flowcept blob history my-model --json | head -n 1
    """
    session.rows((blob.to_dict() for blob in session.db.iter_versions(object_id)), _HISTORY_COLUMNS)
