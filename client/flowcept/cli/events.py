"""``flowcept events``: the log of everything that is committed."""

from __future__ import annotations

import time
from typing import Any

import click

from flowcept.cli._command import Group
from flowcept.cli._documents import parse_filter
from flowcept.cli._session import Session, json_option, pass_session, printable
from flowcept.errors import DeadlineError, UnavailableError, shorten
from flowcept.transport import Event, EventSelection, Start

_ACKNOWLEDGE_SECONDS = 1.0
_MOST_DIGITS = 18  # of a sequence, which has 64 bits


def _position(_context: click.Context, _parameter: click.Parameter, value: str) -> Start:
    """The position to start behind."""
    if value == "earliest":
        return "earliest"
    if value == "latest":
        return "latest"
    if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        return max(int(value) - 1, 0)
    raise click.BadParameter(f"{value!r} is no sequence; give a number, earliest or latest")


@click.group(cls=Group)
def events() -> None:
    """Follow the event log."""


@events.command(short_help="Print events, and those to come.")
@click.option(
    "--from", "start", callback=_position, default="latest", metavar="N", help="Sequence to begin with; or earliest."
)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="task, workflow, agent or object; repeatable.")
@click.option("--workflow", "workflow_ids", multiple=True, metavar="ID", help="Only of this execution; repeatable.")
@click.option("--campaign", "campaign_ids", multiple=True, metavar="ID", help="Only of this campaign; repeatable.")
@click.option("--activity", "activity_ids", multiple=True, metavar="NAME", help="Only of this activity; repeatable.")
@click.option("--object-type", "object_types", multiple=True, metavar="TYPE", help="Only of this type; repeatable.")
@click.option("--filter", "document", metavar="JSON", help="A filter on the records, in MongoDB's query language.")
@click.option("--consumer", default="", metavar="NAME", help="Remember in the service how far this name has come.")
@click.option("-n", "--limit", type=click.IntRange(1), metavar="N", help="End after so many events.")
@json_option
@pass_session
def tail(
    session: Session, /, start: Start, document: str | None, consumer: str, limit: int | None, **selection: Any
) -> None:
    """Print events as they are committed, until interrupted.

    A broken connection is made anew behind the last event. With --consumer, running it again goes on where it ended.

    Examples:
      flowcept events tail
      flowcept events tail --from 1 --kind task --workflow 132598d9 --json
      flowcept events tail --consumer backup --from earliest --json >> events.jsonl
    """
    chosen = EventSelection(document=parse_filter(document) or {}, **selection)
    printer = _Printer(session, consumer, limit)
    needs_documents = session.json
    with session.db.events(
        start, consumer=consumer, selection=chosen, omit_documents=not needs_documents, heartbeat=_ACKNOWLEDGE_SECONDS
    ) as subscription:
        try:
            for batch in subscription.batches():
                if printer.print(batch.events):
                    return
                printer.passed(batch.position)
        finally:
            printer.acknowledge()


class _Printer:
    """Prints events, and acknowledges what is printed if there is a consumer."""

    def __init__(self, session: Session, consumer: str, limit: int | None) -> None:
        self._session = session
        self._consumer = consumer
        self._left = limit
        self._position = 0
        self._acknowledged = 0
        self._acknowledged_at = time.monotonic()

    def print(self, events: Any) -> bool:
        """Print a batch; whether the limit is reached."""
        for event in events:
            if self._session.json:
                self._session.result(_fields(event))
            else:
                click.echo(_text(event))
            self._position = event.sequence
            if self._left is not None:
                self._left -= 1
                if self._left == 0:
                    return True
        return False

    def passed(self, position: int) -> None:
        """Everything up to a position is printed or was not wanted."""
        self._position = position
        if time.monotonic() - self._acknowledged_at >= _ACKNOWLEDGE_SECONDS:
            self.acknowledge()

    def acknowledge(self) -> None:
        """Tell the service how far the consumer has come; a service that is away is told the next time."""
        self._acknowledged_at = time.monotonic()
        if not self._consumer or self._position <= self._acknowledged:
            return
        try:
            self._session.db.acknowledge(self._consumer, self._position)
        except (UnavailableError, DeadlineError) as error:
            self._session.warn(
                f"the service does not know yet that consumer {shorten(self._consumer)} has come to {self._position}; "
                f"if it ends now, events behind {self._acknowledged} come again: {error.message}"
            )
        else:
            self._acknowledged = self._position


def _fields(event: Event) -> dict[str, Any]:
    fields = {
        "sequence": event.sequence,
        "kind": event.kind.value,
        "action": event.action.value,
        "id": event.id,
        "workflow_id": event.workflow_id or None,
        "campaign_id": event.campaign_id or None,
        "activity_id": event.activity_id or None,
        "object_type": event.object_type or None,
        "object_version": event.object_version,
        "commit_time": event.commit_time,
        "document": event.document,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _text(event: Event) -> str:
    about = event.activity_id or event.object_type
    version = "" if event.object_version is None else f"version {event.object_version}"
    parts = (
        f"{event.sequence:>8}",
        event.commit_time.strftime("%Y-%m-%d %H:%M:%S"),
        f"{event.kind.value:<8}",
        f"{event.action.value:<16}",
        event.id,
        about,
        version,
    )
    return "  ".join(printable(part) for part in parts if part)
