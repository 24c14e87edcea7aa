"""A consumer that writes the lineage of everything that is captured into SQLite, where SQL can follow it.

Nodes are workflows, tasks, agents, blob objects and values; edges say what used and what generated what. The service
remembers how far the consumer has come, so it may be stopped and started at any time and misses nothing; what comes
twice changes nothing. Needs a running service::

    flowcept-service serve &
    python examples/lineage_to_sqlite.py lineage.db               # follows until Ctrl-C
    python examples/lineage_to_sqlite.py lineage.db --once --of CHECKPOINT_ID
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from flowcept import BaseConsumer

SCHEMA = """
CREATE TABLE IF NOT EXISTS nodes (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,         -- workflow, task, agent, object, value; reference: named, and not seen itself yet
    label TEXT,
    workflow_id TEXT
);
CREATE TABLE IF NOT EXISTS edges (
    source TEXT NOT NULL,
    relation TEXT NOT NULL,     -- used, generated, part_of, started_by, executed_by
    target TEXT NOT NULL,
    PRIMARY KEY (source, relation, target)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS edges_by_target ON edges (target, relation);
"""

# From a result to the task that generated it, from there to what that used, and so on.
ORIGINS = """
WITH RECURSIVE origins (id, depth) AS (
    VALUES (:id, 0)
    UNION
    SELECT CASE edges.relation WHEN 'generated' THEN edges.source ELSE edges.target END, depth + 1
    FROM origins JOIN edges
    ON (edges.target = origins.id AND edges.relation = 'generated')
    OR (edges.source = origins.id AND edges.relation IN ('used', 'started_by', 'part_of'))
    WHERE depth < 50
)
SELECT min(depth), kind, coalesce(label, nodes.id) FROM origins JOIN nodes USING (id) GROUP BY id ORDER BY 1, 2, 3
"""


class LineageWriter(BaseConsumer):
    """Turns every message into nodes and edges."""

    def __init__(self, database: sqlite3.Connection, name: str) -> None:
        super().__init__(name=name, start_at="earliest")
        self.database = database
        self.writers = {
            "workflow": self.write_workflow,
            "task": self.write_task,
            "agent": self.write_agent,
            "object": self.write_object,
        }

    def message_handler(self, msg_obj: dict[str, Any]) -> bool:
        """Write one message, all or nothing."""
        with self.database:
            if msg_obj["type"] in self.writers:
                self.writers[msg_obj["type"]](msg_obj)
        return True

    def write_workflow(self, workflow: dict[str, Any]) -> None:
        """A workflow, what it was given, and the workflow around it."""
        node = workflow["workflow_id"]
        self.node(node, "workflow", workflow.get("name"), node)
        self.values(node, "used", workflow.get("used"), node)
        self.values(node, "generated", workflow.get("generated"), node)
        self.edge(node, "part_of", workflow.get("parent_workflow_id"))

    def write_task(self, task: dict[str, Any]) -> None:
        """A task, its inputs and outputs, and what it belongs to."""
        node, workflow_id = task["task_id"], task.get("workflow_id")
        self.node(node, "task", task.get("activity_id"), workflow_id)
        self.values(node, "used", task.get("used"), workflow_id)
        self.values(node, "generated", task.get("generated"), workflow_id)
        self.edge(node, "part_of", workflow_id)
        self.edge(node, "started_by", task.get("parent_task_id"))
        self.edge(node, "executed_by", task.get("agent_id"))

    def write_agent(self, agent: dict[str, Any]) -> None:
        """An agent."""
        self.node(agent["agent_id"], "agent", agent.get("name"), agent.get("workflow_id"))

    def write_object(self, blob: dict[str, Any]) -> None:
        """A blob object, which its task generated."""
        node = blob["object_id"]
        self.node(node, "object", f"{blob.get('object_type', 'object')} version {blob['version']}", None)
        if blob.get("task_id"):
            self.edge(blob["task_id"], "generated", node)

    def values(self, node: str, relation: str, values: Mapping[str, Any] | None, workflow_id: str | None) -> None:
        """What a node used or generated."""
        for target, label in value_nodes(values or {}, workflow_id):
            if label is not None:
                self.node(target, "value", label, workflow_id)
            self.edge(node, relation, target)

    def node(self, node: str, kind: str, label: str | None, workflow_id: str | None) -> None:
        """Write a node; what is known of it later completes what was known before."""
        self.database.execute(
            "INSERT INTO nodes VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, "
            "label = coalesce(excluded.label, label), workflow_id = coalesce(excluded.workflow_id, workflow_id)",
            (node, kind, label, workflow_id),
        )

    def edge(self, source: str, relation: str, target: str | None) -> None:
        """Write an edge; nothing when there is no target."""
        if target is None:
            return
        for end in (source, target):
            self.database.execute("INSERT OR IGNORE INTO nodes VALUES (?, 'reference', NULL, NULL)", (end,))
        self.database.execute("INSERT OR IGNORE INTO edges VALUES (?, ?, ?)", (source, relation, target))


def value_nodes(values: Mapping[str, Any], workflow_id: str | None) -> Iterator[tuple[str, str | None]]:
    """The node of each value and its label. Names that end in ``_id`` refer to a node that has a message of its own.

    Equal values of one name in one workflow are one node: so the output of a task is the input of the next.
    """
    for name, value in values.items():
        if name.endswith("_id") and isinstance(value, str):
            yield value, None
            continue
        text = json.dumps(value, sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        yield f"{workflow_id}/{name}/{digest}", f"{name} = {text[:80]}"


def open_database(path: Path) -> sqlite3.Connection:
    """The database, with its tables. The consumer's thread writes, this one reads when it has ended."""
    database = sqlite3.connect(path, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(SCHEMA)
    return database


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--name", default="lineage-to-sqlite", show_default=True, help="Name that the service remembers.")
@click.option("--once", is_flag=True, help="End when everything that is there is written.")
@click.option("--of", "node", metavar="ID", help="In the end, print where this came from.")
def main(path: Path, name: str, once: bool, node: str | None) -> None:
    """Write lineage to the SQLite database PATH."""
    database = open_database(path)
    writer = LineageWriter(database, name)
    if once:
        writer.start(daemon=True)
        writer.catch_up()
        writer.stop_consumption()
        writer.join()
    else:
        try:
            writer.start(threaded=False)
        except KeyboardInterrupt:
            click.echo("stopped; start again to go on", err=True)
    ((nodes, edges),) = database.execute("SELECT (SELECT count(*) FROM nodes), (SELECT count(*) FROM edges)")
    click.echo(f"{path}: {nodes} nodes, {edges} edges")
    if node is not None:
        for depth, kind, label in database.execute(ORIGINS, {"id": node}):
            click.echo(f"{'  ' * depth}{kind}  {label}")
    database.close()


if __name__ == "__main__":
    main()
