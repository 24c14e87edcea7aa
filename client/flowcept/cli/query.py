"""``flowcept query``."""

from __future__ import annotations

import click

from flowcept.cli._command import Command
from flowcept.cli._documents import parse_filter, with_columns
from flowcept.cli._session import Session, json_option, pass_session

_COLUMNS = {
    "tasks": ("task_id", "activity_id", "status", "started_at", "workflow_id", "used", "generated"),
    "workflows": ("workflow_id", "name", "status", "user", "campaign_id"),
    "agents": ("agent_id", "name", "workflow_id", "campaign_id"),
    "objects": ("object_id", "version", "type", "object_size_bytes", "updated_at", "workflow_id"),
    "object_history": ("object_id", "version", "type", "object_size_bytes", "updated_at", "workflow_id"),
}


def _split(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _aggregations(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> list[tuple[str, str]]:
    pairs = [value.partition(":") for value in values]
    return [(operator, field or "*") for operator, _, field in pairs]


@click.command(cls=Command)
@click.argument("collection", type=click.Choice(sorted(_COLUMNS)))
@click.option("--filter", "document", metavar="JSON", help="A filter in MongoDB's query language.")
@click.option("--project", multiple=True, callback=_split, metavar="FIELD,...", help="Only these fields.")
@click.option("--sort", multiple=True, callback=_split, metavar="FIELD,...", help="By these; -FIELD: largest first.")
@click.option("--skip", type=click.IntRange(0), default=0, metavar="N", help="Leave out the first ones.")
@click.option(
    "--limit", type=click.IntRange(0), metavar="N", default=100, show_default=True, help="At most so many; 0 for all."
)
@click.option(
    "--aggregate",
    "aggregation",
    multiple=True,
    callback=_aggregations,
    metavar="OPERATOR:FIELD",
    help="avg, sum, min, max or count of a field, or count of all; --project says by what to group.",
)
@json_option
@pass_session
def query(
    session: Session,
    *,
    collection: str,
    document: str | None,
    project: list[str],
    sort: list[str],
    skip: int,
    limit: int,
    aggregation: list[tuple[str, str]],
) -> None:
    """Query tasks, workflows, agents, objects or object_history.

    Examples:
      flowcept query tasks --filter '{"used.lr": {"$gt": 0.1}}' --sort=-ended_at --limit 10
      flowcept query tasks --project task_id,generated.loss --json
      flowcept query tasks --aggregate count --aggregate avg:generated.loss --project activity_id
    """
    found = session.db.iter_query(
        collection=collection,
        filter=parse_filter(document),
        projection=project or None,
        sort=[(field.removeprefix("-"), -1 if field.startswith("-") else 1) for field in sort],
        skip=skip,
        limit=limit,
        aggregation=aggregation or None,
    )
    if session.json:
        count = session.rows(found, ())
    elif aggregation:
        names = [name.replace(".", "_") for name in project]
        figures = [
            "count" if field == "*" else f"{operator}_{field.replace('.', '_')}" for operator, field in aggregation
        ]
        count = session.rows(found, [*names, *figures])
    else:
        columns = project or _COLUMNS[collection]
        count = session.rows(with_columns(found, columns), columns)
    if limit and count == limit:
        session.note(f"the first {limit}; --limit 0 gives all")
