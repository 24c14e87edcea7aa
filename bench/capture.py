"""What capture costs the workload: microseconds for each task, beside the same work without capture.

Run: ``python -m bench.capture`` (``--count`` for longer ones). Nothing is sent: messages go to a publisher that
takes them at once, as a quick service would, in the background thread that publishes during a real run too.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from flowcept.capture import (
    Flowcept,
    FlowceptLightweightLoop,
    FlowceptLoop,
    FlowceptTask,
    Message,
    Rejection,
    flowcept_task,
    lightweight_flowcept_task,
)
from flowcept.config import ClientSettings


class Taker:
    """Takes every batch at once."""

    def publish(self, messages: Sequence[Message], *, timeout: float) -> list[Rejection]:
        """Take a batch."""
        del messages, timeout
        return []

    def reconnect(self) -> None:
        """Nothing to connect."""

    def close(self) -> None:
        """Nothing to close."""


def work(lr: float, epoch: int) -> dict[str, float]:
    """What is captured."""
    return {"loss": lr * epoch}


captured_work = flowcept_task(work)
lightly_captured_work = lightweight_flowcept_task(work)


def plain(count: int) -> None:
    """Without capture."""
    for number in range(count):
        work(0.1, number)


def decorated(count: int) -> None:
    """``@flowcept_task``."""
    for number in range(count):
        captured_work(0.1, number)


def lightweight(count: int) -> None:
    """``@lightweight_flowcept_task``."""
    for number in range(count):
        lightly_captured_work(lr=0.1, epoch=number)


def context_manager(count: int) -> None:
    """``with FlowceptTask(...)``."""
    for number in range(count):
        with FlowceptTask(activity_id="work", used={"lr": 0.1, "epoch": number}) as task:
            task.end(generated=work(0.1, number))


def loop(count: int) -> None:
    """``FlowceptLoop``."""
    iterations: FlowceptLoop[int] = FlowceptLoop(count)
    for number in iterations:
        iterations.end_iter(work(0.1, number))


def lightweight_loop(count: int) -> None:
    """``FlowceptLightweightLoop``."""
    iterations: FlowceptLightweightLoop[int] = FlowceptLightweightLoop(range(count))
    for number in iterations:
        iterations.end_iter(work(0.1, number))


def microseconds(way: Callable[[int], None], count: int) -> tuple[float, float]:
    """Time in the caller's thread for one task, and of all threads together until everything is published."""
    with tempfile.TemporaryDirectory(prefix="flowcept-bench-") as directory:
        settings = ClientSettings.load(
            environ={},
            capture={"spill_directory": Path(directory) / "unsent"},
            buffer_file={"enabled": False},
        )
        run = Flowcept(save_workflow=False, settings=settings, publisher=Taker).start()
        cpu, own = time.process_time(), time.thread_time()
        way(count)
        own = time.thread_time() - own
        run.stop()
        return own / count * 1e6, (time.process_time() - cpu) / count * 1e6


@click.command()
@click.option("--count", type=click.IntRange(1), default=20_000, show_default=True, help="Tasks of each kind.")
def main(count: int) -> None:
    """Measure what capture costs."""
    click.echo(f"{'':36}{'the caller waits':>18}{'CPU in all':>14}")
    for way in (plain, decorated, lightweight, context_manager, loop, lightweight_loop):
        name = (way.__doc__ or "").strip().rstrip(".").replace("``", "")
        caller, everything = min(microseconds(way, count) for _ in range(3))
        click.echo(f"{name:36}{caller:>15.2f} us{everything:>11.2f} us")


if __name__ == "__main__":
    main()
