"""How quickly blobs stream through a service on MongoDB, beside plain GridFS.

    python -m bench.gridfs [--quick] [--rounds N] [--directory DIR]

The plain side is pymongo's ``GridFSBucket``, used directly, on a replica set like the service's. A database's speed
depends on what it wrote before, so each measurement gets a new one, the two sides take turns, and the ratio is that of
neighbours: the median over the rounds is to be quoted.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from gridfs import GridFSBucket
from pymongo import MongoClient
from rich.console import Console
from rich.table import Table

from bench.references import MIB
from flowcept.config import ClientSettings
from flowcept.db import DBAPI
from tests.support.mongod import Mongod
from tests.support.server import ServerProcess

console = Console(highlight=False, width=120)


@dataclass(frozen=True, slots=True)
class Seconds:
    """What one side took."""

    upload: float
    download: float


def through_the_service(uri: str, source: Path) -> Seconds:
    """Upload a file through a service and download it again, discarding the bytes."""
    with (
        tempfile.TemporaryDirectory() as name,
        ServerProcess(Path(name), "--store", "mongodb", "--mongodb-uri", uri) as server,
        DBAPI(ClientSettings.load(target=server.target)) as db,
    ):
        db.liveness_test()  # connect before the clock runs
        began = time.perf_counter()
        object_id = db.save_or_update_object(source)
        uploaded = time.perf_counter()
        received = sum(len(piece) for piece in db.get_blob_object(object_id).chunks())
        return _seconds(began, uploaded, received, source)


def directly(uri: str, source: Path) -> Seconds:
    """The same with GridFSBucket."""
    with MongoClient[dict[str, Any]](uri) as client:
        bucket = GridFSBucket(client["plain"])
        client.admin.command("ping")
        began = time.perf_counter()
        with source.open("rb") as file:
            file_id = bucket.upload_from_stream(source.name, file)
        uploaded = time.perf_counter()
        received = 0
        with bucket.open_download_stream(file_id) as stream:
            while piece := stream.read(MIB):
                received += len(piece)
        return _seconds(began, uploaded, received, source)


def _seconds(began: float, uploaded: float, received: int, source: Path) -> Seconds:
    ended = time.perf_counter()
    if received != source.stat().st_size:
        raise AssertionError(f"{received} bytes came back")
    return Seconds(uploaded - began, ended - uploaded)


def measure(side: Callable[[str, Path], Seconds], source: Path) -> Seconds:
    """Run one side on a new database."""
    with Mongod() as mongod:
        return side(mongod.uri, source)


def row(size: int, rounds: int, directory: Path) -> list[str]:
    """One row of the table."""
    source = directory / "source.bin"
    with source.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    ours: list[Seconds] = []
    plain: list[Seconds] = []
    for number in range(rounds):
        # Who is first changes, for the second finds the machine in another state.
        for side, results in [(through_the_service, ours), (directly, plain)][:: 1 if number % 2 else -1]:
            results.append(measure(side, source))
    cells = [f"{size // MIB} MiB"]
    for what in ("upload", "download"):
        own = [getattr(seconds, what) for seconds in ours]
        reference = [getattr(seconds, what) for seconds in plain]
        ratios = sorted(of_reference / of_own for of_own, of_reference in zip(own, reference, strict=True))
        cells += [
            f"{size / MIB / statistics.median(own):,.0f}",
            f"{size / MIB / statistics.median(reference):,.0f}",
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})",
        ]
    return cells


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="256 MiB instead of 1 GiB: a look, not a figure to quote.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Pairs to measure.")
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), help="Where the source file is kept.")
def main(quick: bool, rounds: int, directory: Path | None) -> None:
    """Measure and print."""
    table = Table(title="Through the service on MongoDB beside plain GridFSBucket, MiB/s (ratio above 1: quicker)")
    for head in ("size", "upload", "plain", "ratio", "download", "plain", "ratio"):
        table.add_column(head, justify="right")
    with tempfile.TemporaryDirectory(prefix="flowcept-bench-", dir=directory) as name:
        for size in (16 * MIB, 256 * MIB if quick else 1024 * MIB):
            table.add_row(*row(size, rounds, Path(name)))
    console.print(table)


if __name__ == "__main__":
    main()
