"""Work that takes long: progress on a terminal, signals that end it in order, sizes for people."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol, TypeVar

_REFRESH_SECONDS = 0.2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Output:
    """Where results and progress go."""

    as_json: bool
    quiet: bool


@contextmanager
def stopping_at_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM end the work in order instead of in the middle."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop()

    known = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)


class View(Protocol):
    """What a progress bar shows now."""

    def __call__(self) -> tuple[str, int, int]:
        """Text, how much is done, and of how much (0: not known)."""
        ...


def watched(work: Callable[[], T], view: View, output: Output) -> T:
    """Do the work in a thread; on a terminal, show how far it is."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        if output.quiet or not sys.stderr.isatty():
            return future.result()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            bar = bars.add_task("", total=None)
            while not future.done():
                text, done, total = view()
                bars.update(bar, description=text, completed=done, total=total or None)
                try:
                    future.exception(timeout=_REFRESH_SECONDS)
                except TimeoutError:
                    continue
        return future.result()


def size_text(size: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"
