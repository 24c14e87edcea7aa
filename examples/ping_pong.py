"""Two participants that answer each other over the event log, as they would from two clusters.

Each follows the tasks of the other and publishes a task of its own in answer. Needs a running service::

    flowcept-service serve &
    python examples/ping_pong.py --rounds 5
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import click

from flowcept import BaseConsumer, EventSelection, Flowcept, Status, TaskObject


class Player(BaseConsumer):
    """Answers every stroke of the other player, until the game is over."""

    def __init__(self, stroke: str, answers: str, game: str, rounds: int) -> None:
        super().__init__(selection=EventSelection(kinds=["task"], workflow_ids=[game], activity_ids=[answers]))
        self.stroke = stroke
        self.game = game
        self.strokes = 2 * rounds

    def message_handler(self, msg_obj: dict[str, Any]) -> bool:
        """Answer a stroke; whether the game goes on."""
        number = msg_obj["generated"]["stroke"]
        if number < self.strokes:
            self.play(number + 1, answered=msg_obj["task_id"])
        # The last stroke is nobody's to answer, and the one before it was this player's last.
        return bool(number < self.strokes - 1)

    def play(self, number: int, answered: str | None = None) -> None:
        """Publish a stroke."""
        task = TaskObject()
        task.workflow_id = self.game
        task.activity_id = self.stroke
        task.used = {"answers": answered}
        task.generated = {"stroke": number}
        task.status = Status.FINISHED
        task.started_at = task.ended_at = time.time()
        # First, because the answer may be here before the call has returned.
        click.echo(f"{number:>3}  {self.stroke}")
        Flowcept.db.insert_or_update_task(task)


@click.command()
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Pings, each with its pong.")
def main(rounds: int) -> None:
    """Play some rounds of ping-pong."""
    game = f"ping-pong-{uuid.uuid4()}"
    ping = Player("ping", answers="pong", game=game, rounds=rounds)
    pong = Player("pong", answers="ping", game=game, rounds=rounds)
    for player in (ping, pong):
        player.start(daemon=True)
    started = time.perf_counter()
    ping.play(1)
    for player in (ping, pong):
        player.join()
    milliseconds = (time.perf_counter() - started) * 1000
    click.echo(
        f"{2 * rounds} strokes in {milliseconds:.0f} ms: {milliseconds / (2 * rounds):.1f} ms from one to the next"
    )


if __name__ == "__main__":
    main()
