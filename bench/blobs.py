"""How quickly blobs stream through the service, and in how much memory.

    python -m bench.blobs [--store lmdb|mongodb] [--quick] [--directory DIR]

Every figure stands beside references timed in the same run, on the same disk and the same bytes: a plain file write
with fdatasync (and read), and a gRPC stream through generated stubs that stores nothing. Machines are noisy: the ratios
are to be quoted, and each is the median of interleaved rounds. Service, null service and clients are processes of their
own.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench import memory, references
from bench.references import MIB
from flowcept.config import ClientSettings
from flowcept.db import DBAPI
from tests.support.server import ServerProcess
from tests.support.services import service_on

SIZES = (64 << 10, MIB, 16 * MIB, 256 * MIB, 1024 * MIB)
SMALL = 64 << 10
CLIENTS = 8
PROCESSES = get_context("spawn")  # gRPC does not survive a fork
console = Console(highlight=False, width=140)


@dataclass(frozen=True, slots=True)
class Peaks:
    """Memory above that at start, in bytes."""

    client: int
    server: int


def rounds_for(size: int, *, quick: bool) -> int:
    """More rounds where one is short, so that noise evens out."""
    if quick:
        return 3
    return 5 if size >= 256 * MIB else 20


def stream_both_ways(target: str, server_pid: int, path: Path) -> tuple[float, float, Peaks]:
    """Upload a file and download it again, discarding the bytes; seconds of each, and the memory that both took."""
    size = path.stat().st_size
    with DBAPI(ClientSettings.load(target=target)) as db:
        db.liveness_test()  # connect before the clock runs
        before = memory.reset_peak(os.getpid()), memory.reset_peak(server_pid)
        started = time.perf_counter()
        object_id = db.save_or_update_object(path)
        uploaded = time.perf_counter()
        received = sum(len(piece) for piece in db.get_blob_object(object_id).chunks())
        downloaded = time.perf_counter()
        if received != size:
            raise AssertionError(f"{received} bytes of {size} came back")
        peaks = Peaks(memory.peak(os.getpid()) - before[0], memory.peak(server_pid) - before[1])
        db.delete_object(object_id)
    return uploaded - started, downloaded - uploaded, peaks


def measure_size(size: int, rounds: int, server: ServerProcess, null: str, directory: Path) -> list[str]:
    """One row of the table of sizes."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    peaks = []
    source = directory / "source.bin"
    source.write_bytes(os.urandom(size))
    # Kept until the end, as the store keeps what it gets: a file in the place of one that was just deleted is written
    # into memory that the kernel has at hand, up to six times as quickly as into memory that it first has to find.
    copies = [directory / f"copy-{number}.bin" for number in range(rounds)]
    with ProcessPoolExecutor(1, mp_context=PROCESSES) as client:
        for copy in copies:
            payload = memoryview(source.read_bytes())
            seconds["write"].append(references.durable_write_seconds(copy, payload))
            seconds["read"].append(references.read_seconds(copy))
            seconds["null up"].append(references.null_upload_seconds(null, payload))
            seconds["null down"].append(references.null_download_seconds(null, size))
            del payload
            up, down, peak = client.submit(stream_both_ways, server.target, server.pid, source).result()
            seconds["up"].append(up)
            seconds["down"].append(down)
            peaks.append(peak)
    for file in (source, *copies):
        file.unlink()
    rate = {name: size / MIB / statistics.median(values) for name, values in seconds.items()}

    def ratio(name: str, reference: str) -> str:
        pairs = zip(seconds[reference], seconds[name], strict=True)
        return f"{statistics.median(of_reference / own for of_reference, own in pairs):.2f}"

    return [
        f"{size // MIB} MiB" if size >= MIB else f"{size >> 10} KiB",
        *(f"{rate[name]:,.0f}" for name in ("up", "write", "null up")),
        ratio("up", "write"),
        ratio("up", "null up"),
        *(f"{rate[name]:,.0f}" for name in ("down", "read", "null down")),
        ratio("down", "null down"),
        f"{max(peak.client for peak in peaks) / MIB:.0f}",
        f"{max(peak.server for peak in peaks) / MIB:.0f}",
    ]


def small_objects(target: str, count: int, begin: float) -> tuple[float, float, float]:
    """One client that puts and then gets small objects; times of first put, last put, last get."""
    payload = os.urandom(SMALL)
    with DBAPI(ClientSettings.load(target=target)) as db:
        db.liveness_test()
        time.sleep(max(0.0, begin - time.monotonic()))
        started = time.monotonic()
        names = [db.save_or_update_object(payload) for _ in range(count)]
        put = time.monotonic()
        for name in names:
            if len(db.get_blob_object(name).data) != SMALL:
                raise AssertionError(f"{name} came back with another size")
        return started, put, time.monotonic()


def null_small_objects(target: str, count: int, begin: float) -> tuple[float, float, float]:
    """The same calls through generated stubs, to a service that stores nothing."""
    payload = memoryview(bytes(SMALL))
    with references.null_connection(target) as connection:
        time.sleep(max(0.0, begin - time.monotonic()))
        started = time.monotonic()
        for _ in range(count):
            connection.upload(payload)
        put = time.monotonic()
        for _ in range(count):
            connection.download(SMALL)
        return started, put, time.monotonic()


def small_rates(target: str, work: str, count: int) -> tuple[float, float]:
    """Puts and gets a second, over all clients."""
    with ProcessPoolExecutor(CLIENTS, mp_context=PROCESSES) as clients:
        begin = time.monotonic() + 6.0  # all have imported what they need by then
        function = small_objects if work == "service" else null_small_objects
        spans = [future.result() for future in [clients.submit(function, target, count, begin) for _ in range(CLIENTS)]]
    total = CLIENTS * count
    started, put, got = (list(times) for times in zip(*spans, strict=True))
    return total / (max(put) - min(started)), total / (max(got) - min(put))


def print_sizes(server: ServerProcess, null: str, directory: Path, *, quick: bool) -> None:
    """Measure and print the table of sizes."""
    table = Table(title="Streaming, MiB/s (ratios: above 1 is quicker than the reference)", collapse_padding=True)
    heads = ("size", "upload", "file write+sync", "null stream", "of write", "of null")
    for head in (*heads, "download", "file read", "null stream", "of null", "client peak MiB", "server peak MiB"):
        table.add_column(head, justify="right")
    for size in SIZES:
        if quick and size > 256 * MIB:
            continue
        table.add_row(*measure_size(size, rounds_for(size, quick=quick), server, null, directory))
    console.print(table)


def print_small_rates(server: ServerProcess, null: str, *, quick: bool) -> None:
    """Measure and print the rates of small objects."""
    count = 200 if quick else 1000
    table = Table("64 KiB objects, 8 clients", "puts/s", "gets/s", title="Small objects")
    for name, target in (("service (durable)", server.target), ("null stream", null)):
        puts, gets = small_rates(target, "service" if target == server.target else "null", count)
        table.add_row(name, f"{puts:,.0f}", f"{gets:,.0f}")
    console.print(table)


@click.command()
@click.option("--store", type=click.Choice(["lmdb", "mongodb"]), default="lmdb", help="What the service keeps data in.")
@click.option("--quick", is_flag=True, help="Fewer rounds, and nothing above 256 MiB.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write; a temporary directory by default.",
)
def main(store: str, quick: bool, directory: Path | None) -> None:
    """Measure blobs beside a plain file and a null stream."""
    with (
        tempfile.TemporaryDirectory(prefix="flowcept-bench-", dir=directory) as name,
        references.null_server() as null,
        service_on(store, Path(name)) as server,
    ):
        print_sizes(server, null, Path(name), quick=quick)
        print_small_rates(server, null, quick=quick)


if __name__ == "__main__":
    main()
