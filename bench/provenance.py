"""How quickly tasks are published, followed and queried.

    python -m bench.provenance [--store lmdb|mongodb] [--quick] [--directory DIR]

The service, its clients and its subscribers are processes of their own. Every figure stands beside references that are
timed in the same run, on the same documents: BSON alone, LMDB alone, and a gRPC service that stores nothing. Machines
are noisy, so the ratios are to be quoted.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bson
import click
from rich.console import Console
from rich.table import Table

from bench import provenance_references as references
from bench.provenance_clients import (
    BATCH,
    IN_FLIGHT,
    TASKS_OF_A_WORKFLOW,
    Span,
    campaign_id,
    chunks,
    in_processes,
    latencies,
    publish,
    publish_steadily,
    query,
    replay,
    workflow_id,
)
from flowcept.v1.document_pb2 import Document
from flowcept.v1.provenance_service_pb2 import COLLECTION_TASKS, QueryRequest
from tests.support.services import service_on

MIB = 1 << 20
PROBES = 10_000_000
"""Where the numbers of the tasks begin that only measure latency."""
console = Console(highlight=False, width=140)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    tasks: int = 100_000
    """In the collection, when it is queried."""
    events: int = 1_000_000
    """In the log, when a subscriber catches up."""
    replayed: int = 200_000
    """Events that each of several subscribers replays at once."""
    probes: int = 500
    """Tasks whose latency is measured."""
    load: int = 5_000
    """Tasks per second that others publish meanwhile."""


QUICK = Scale(tasks=20_000, events=60_000, replayed=20_000, probes=100, load=2_000)


@dataclass(slots=True)
class Report:
    """Rows of the table: what, figure, reference, ratio."""

    table: Table = field(default_factory=lambda: Table("measured", "figure", "reference", "", "ratio", box=None))

    def __post_init__(self) -> None:
        """Numbers read best on the right."""
        for index in (1, 3, 4):
            self.table.columns[index].justify = "right"

    def rate(self, what: str, rate: float, reference: str = "", of_reference: float = 0.0) -> None:
        """A rate per second, and how it compares."""
        ratio = f"{rate / of_reference:.2f}" if of_reference else ""
        compared = f"{of_reference:,.0f}/s" if of_reference else ""
        self.table.add_row(what, f"{rate:,.0f}/s", reference, compared, ratio)

    def latency(self, what: str, seconds: Sequence[float]) -> None:
        """Median and 99th percentile."""
        ordered = sorted(seconds)
        median, p99 = statistics.median(ordered), ordered[len(ordered) * 99 // 100]
        self.table.add_row(what, f"{median * 1e3:.2f} ms median", "", f"{p99 * 1e3:.2f} ms p99", "")


def measure_publishing(target: str, scale: Scale, directory: Path, report: Report) -> None:
    """Fill the collection, with one client and with four."""
    share = scale.tasks // 3 // BATCH * BATCH
    alone = references.bson_rate(20_000)
    stored = references.lmdb_rate(directory / "reference", share)
    with references.null_service([]) as null:
        sent = references.null_publish_rate(null, share)
    report.rate("tasks, 1 client, one batch at a time", publish(target, 0, share, 1).rate_alone, "LMDB", stored)
    one = publish(target, share, share, IN_FLIGHT)
    report.rate(f"tasks, 1 client, {IN_FLIGHT} batches under way", one.rate_alone, "LMDB", stored)
    report.rate("", one.rate_alone, "BSON, encode and decode", alone)
    report.rate("", one.rate_alone, "gRPC that stores nothing", sent)
    rest = scale.tasks - 2 * share
    calls = [(target, 2 * share + first, count, 2) for first, count in chunks(rest // BATCH * BATCH, 4)]
    report.rate("tasks, 4 clients", Span.rate(in_processes(publish, calls)), "LMDB", stored)


def measure_queries(target: str, scale: Scale, report: Report) -> None:
    """By an index, by a scan, and many results."""
    alone = references.bson_rate(20_000)

    def ask(what: str, filter: dict[str, object], rounds: int, scanned: int = 0) -> None:
        request = QueryRequest(collection=COLLECTION_TASKS, filter=Document(bson=bson.encode(filter)))
        spans = [query(target, request) for _ in range(rounds)]
        seconds = statistics.median(span.ended - span.began for span in spans)
        looked_at = scanned or spans[0].count
        what = f"{what}: {spans[0].count:,} documents in {seconds * 1e3:,.1f} ms"
        report.rate(what, looked_at / seconds, "BSON", alone)

    few: dict[str, object] = {"used.number": {"$lt": TASKS_OF_A_WORKFLOW}}
    ask("query by an index", {"workflow_id": workflow_id(0)}, 20)
    ask("query by an index and more", {"workflow_id": workflow_id(0), **few}, 20)
    ask("query by an index, many results", {"campaign_id": campaign_id(0)}, 5)
    ask("scan for few, per document scanned", few, 3, scanned=scale.tasks)
    ask("scan without a filter", {}, 3)


def measure_subscribers(target: str, scale: Scale, report: Report) -> None:
    """Several subscribers at once, then one over everything."""
    responses = references.responses_of(target, MIB)
    with references.null_service(responses) as null:
        streamed = references.null_stream_rate(null, max(2, scale.replayed // 1500))
    for subscribers in (1, 4, 16):
        spans = replay(target, subscribers, min(scale.replayed, scale.tasks))
        report.rate(f"events to {subscribers} subscribers, together", Span.rate(spans), "gRPC, same bytes", streamed)
    missing = max(0, scale.events - scale.tasks) // BATCH * BATCH
    if missing:
        publish(target, scale.tasks, missing, IN_FLIGHT)
    [span] = replay(target, 1, scale.events)
    report.rate(f"catching up over {span.count:,} events", Span.rate([span]), "gRPC, same bytes", streamed)


def measure_latency(target: str, scale: Scale, report: Report) -> None:
    """From publishing a task to having its event: at rest, and while another client publishes."""
    report.latency("publish to subscriber, at rest", latencies(target, PROBES, scale.probes))
    seconds = scale.probes * 0.03 + 1
    load = (publish_steadily, (target, 2 * PROBES, scale.load, seconds))
    probes = (latencies, (target, 3 * PROBES, scale.probes))
    _, measured = in_processes(call, [load, probes])
    report.latency(f"publish to subscriber, under {scale.load:,} tasks/s", measured)


def call(function: object, arguments: tuple[object, ...]) -> object:
    """Call a function; for processes that do different things at once."""
    return function(*arguments)  # type: ignore[operator]  # one of this module's


@click.command(help=__doc__)
@click.option("--store", type=click.Choice(["lmdb", "mongodb"]), default="lmdb", help="What the service keeps data in.")
@click.option("--quick", is_flag=True, help="Less of everything: a look, not a figure to quote.")
@click.option("--directory", type=click.Path(path_type=Path), help="Where to write; the disk that is measured.")
def main(store: str, quick: bool, directory: Path | None) -> None:
    """Measure and print."""
    scale = QUICK if quick else Scale()
    report = Report()
    with tempfile.TemporaryDirectory(dir=directory) as name, service_on(store, Path(name)) as server:
        measure_latency(server.target, scale, report)
        measure_publishing(server.target, scale, Path(name), report)
        measure_queries(server.target, scale, report)
        measure_subscribers(server.target, scale, report)
        report.table.caption = f"{server.memory_bytes() / MIB:,.0f} MiB of memory in the service at the end"
    console.print(report.table)


if __name__ == "__main__":
    main()
