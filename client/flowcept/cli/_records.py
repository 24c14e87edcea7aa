"""``flowcept task`` and ``flowcept workflow``: the same two commands for each kind of record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from flowcept.cli._command import Group
from flowcept.cli._documents import combined
from flowcept.cli._session import Session, json_option, pass_session
from flowcept.errors import NotFoundError, Reason, shorten
from flowcept.vocabulary import Status

_TASK_COLUMNS = ("task_id", "activity_id", "status", "started_at", "ended_at", "workflow_id")
_WORKFLOW_COLUMNS = ("workflow_id", "name", "status", "started_at", "ended_at", "user", "campaign_id")
_TIMES = ("started_at", "ended_at", "utc_timestamp")

_limit = click.option(
    "--limit", type=click.IntRange(0), metavar="N", default=100, show_default=True, help="At most so many; 0: all."
)
_status = click.option(
    "--status",
    type=click.Choice([status.value for status in Status], case_sensitive=False),
    help="Only those that stand there.",
)
_filter = click.option("--filter", "document", metavar="JSON", help="A filter in MongoDB's query language.")


@click.group(cls=Group)
def task() -> None:
    """List and show tasks."""


@task.command("ls", short_help="List tasks, newest first.")
@click.option("--workflow-id", metavar="ID", help="Only of this workflow execution.")
@click.option("--campaign-id", metavar="ID", help="Only of this campaign.")
@click.option("--activity-id", metavar="NAME", help="Only of this activity.")
@click.option("--parent-task-id", metavar="ID", help="Only those that this task started.")
@_status
@_filter
@_limit
@json_option
@pass_session
def task_ls(session: Session, /, document: str | None, limit: int, **equal: str | None) -> None:
    """List tasks, those that started last first.

    Examples:
      flowcept task ls --workflow-id 132598d9 --status ERROR
      flowcept task ls --activity-id train --filter '{"generated.loss": {"$lt": 0.1}}' --json
    """
    _list(session, "tasks", _TASK_COLUMNS, combined(document, equal), limit)


@task.command("show", short_help="Show a task.")
@click.argument("task_id")
@json_option
@pass_session
def task_show(session: Session, task_id: str) -> None:
    """Show everything that is known about a task.

    Examples:
      flowcept task show 559a3c7dfa05430512b20187bbf1f8bd --json
    """
    _show(session, "tasks", "task_id", task_id)


@click.group(cls=Group)
def workflow() -> None:
    """List and show workflow executions."""


@workflow.command("ls", short_help="List workflow executions, newest first.")
@click.option("--campaign-id", metavar="ID", help="Only of this campaign.")
@click.option("--name", help="Only of this name.")
@click.option("--user", help="Only of this user.")
@_status
@_filter
@_limit
@json_option
@pass_session
def workflow_ls(session: Session, /, document: str | None, limit: int, **equal: str | None) -> None:
    """List workflow executions, those that started last first.

    Examples:
      flowcept workflow ls --name training --status FINISHED
      flowcept workflow ls --json | head -n 1
    """
    _list(session, "workflows", _WORKFLOW_COLUMNS, combined(document, equal), limit)


@workflow.command("show", short_help="Show a workflow execution.")
@click.argument("workflow_id")
@json_option
@pass_session
def workflow_show(session: Session, workflow_id: str) -> None:
    """Show everything that is known about a workflow execution, and what its tasks add up to.

    Examples:
      flowcept workflow show 132598d9-352d-44cf-a508-8d1966924497
    """
    _show(session, "workflows", "workflow_id", workflow_id, lambda: _tasks_of(session, workflow_id))


def _list(
    session: Session, collection: str, columns: tuple[str, ...], wanted: dict[str, object] | None, limit: int
) -> None:
    found = session.db.iter_query(collection=collection, filter=wanted, sort=[("started_at", -1)], limit=limit)
    count = session.rows(found if session.json else map(_dated, found), columns)
    if limit and count == limit:
        session.note(f"the newest {limit}; --limit 0 lists all")


def _show(
    session: Session,
    collection: str,
    id_field: str,
    record_id: str,
    more: Callable[[], dict[str, object]] = dict,
) -> None:
    found = session.db.query({id_field: record_id}, limit=1, collection=collection)
    if not found:
        raise NotFoundError(
            f"there is no {collection.removesuffix('s')} with {id_field} {shorten(record_id)}",
            reason=Reason.RECORD_NOT_FOUND,
            field=id_field,
            value=record_id,
        )
    session.result({**(found[0] if session.json else _dated(found[0])), **more()})


def _dated(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with dates for a person where it has seconds, as workflows have."""
    dates = {name: _date(seconds) for name in _TIMES if isinstance(seconds := document.get(name), int | float)}
    return {**document, **dates}


def _date(seconds: float) -> datetime | float:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return seconds  # milliseconds, say, that somebody else has written into the database


def _tasks_of(session: Session, workflow_id: str) -> dict[str, object]:
    summary = session.db.task_summary({"workflow_id": workflow_id})
    return {"tasks": summary["count"], "task_status": summary["status_counts"]}
