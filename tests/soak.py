"""Mixed load on a service that is killed again and again; and then nothing is lost, doubled or left behind.

Usage: python -m tests.soak [--minutes 10] [--kill-every 30]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import bson
import grpc

from flowcept.v1.provenance_service_pb2 import SubscribeRequest
from flowcept_service.domain.records import Collection
from flowcept_service.query import parse_query
from tests.support.blobs import Blobs
from tests.support.conditions import eventually
from tests.support.load import MESSAGES, Subscriber, reconnecting
from tests.support.server import ServerProcess
from tests.support.soak_clients import DurableConsumer, Reader, Tally, Writer
from tests.support.stores import lmdb_address, opened, run_command

PUBLISHERS = 2
WRITERS = 3
READERS = 2
PUBLISHING_PAUSE = 0.05
PATIENCE = 120.0
"""Seconds for what must end, on a busy machine."""
SPARE_THREADS = 12
"""Threads that a pool may still make where it has made fewer than it may; a leak makes one for each call."""


@dataclass(frozen=True)
class Plan:
    """How long, and how rough."""

    seconds: float
    kill_every: float
    kills: int = 1
    """At least so many, however slow the machine is."""
    staged_seconds: float = 10.0
    """How long abandoned uploads are kept."""
    seed: int = 1

    @property
    def environ(self) -> dict[str, str]:
        return {
            "FLOWCEPT_SERVICE_SWEEP_SECONDS": "0.5",
            "FLOWCEPT_SERVICE_KEEP_STAGED_SECONDS": str(self.staged_seconds),
            "FLOWCEPT_SERVICE_KEEP_UNREFERENCED_SECONDS": "2",
        }


@dataclass
class Report:
    """What was done and seen."""

    kills: int = 0
    seconds: float = 0.0
    restart_seconds: list[float] = field(default_factory=list)
    messages: int = 0
    events: int = 0
    versions: int = 0
    repeated_to_consumer: int = 0
    clients: dict[str, Any] = field(default_factory=dict)
    at_rest: list[tuple[int, int]] = field(default_factory=list)
    """File descriptors and threads of the last process: after some load, and after more of it."""
    memory_bytes: int = 0
    checked: dict[str, Any] = field(default_factory=dict)


class Soak:
    """One soak, in a directory of its own."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        self._plan = plan
        self._chance = random.Random(plan.seed)
        self._server = ServerProcess(directory, environ=plan.environ)
        self._tally = Tally()
        self._published: dict[int, int] = {}
        """Acknowledged messages by publisher."""
        self._writers: list[Writer] = []
        self._phase = 0
        self.report = Report()

    def run(self) -> Report:
        """Load and kill, then load twice without killing, then look at everything."""
        started = time.monotonic()
        with self._server, ThreadPoolExecutor(2) as following:
            end = [2**63]
            subscriber, consumer = Subscriber(self._server.target), DurableConsumer(self._server.target)
            follow: list[Callable[[Callable[[], int]], None]] = [subscriber.run, consumer.run]
            streams = [following.submit(run, lambda: end[0]) for run in follow]
            try:
                with self._load():
                    self._kill_until(started + self._plan.seconds)
                for _ in range(2):
                    with self._load():
                        _pass(min(5.0, self._plan.seconds / 5))
                    self.report.at_rest.append(self._rest())
                with reconnecting(self._server.target) as stub:
                    end[0] = next(stub.Subscribe(SubscribeRequest())).last_sequence
            except BaseException:
                end[0] = 0
                raise
            for stream in streams:
                stream.result(PATIENCE)
            self.report.memory_bytes = self._server.memory_bytes()
            self._check_events(end[0], subscriber, consumer)
            self._check_versions()
            self._check_rest()
        self._check_tasks()
        self._check_store(self._server.data_dir)
        self.report.seconds = round(time.monotonic() - started, 1)
        return self.report

    def _kill_until(self, deadline: float) -> None:
        # However slow the machine is, everything is done at least once.
        while time.monotonic() < deadline or self.report.kills < self._plan.kills or not self._tally.has_everything():
            _pass(self._plan.kill_every * self._chance.uniform(0.9, 1.1))
            before = time.monotonic()
            self._server.restart()
            self.report.restart_seconds.append(round(time.monotonic() - before, 2))
            self.report.kills += 1

    @contextmanager
    def _load(self) -> Iterator[None]:
        """All clients but those that follow, from now until the end."""
        self._phase += 1
        stop = threading.Event()
        target = self._server.target
        first = len(self._writers)
        writers = [Writer(target, first + number, stop, self._tally) for number in range(WRITERS)]
        self._writers += writers
        readers = [
            Reader(target, stop, self._tally, writers, random.Random(self._chance.random())) for _ in range(READERS)
        ]
        publishers = {number: self._publisher(number) for number in range(PUBLISHERS * self._phase)[-PUBLISHERS:]}
        with ThreadPoolExecutor(WRITERS + READERS) as pool:
            runs: list[Callable[[], None]] = [*(one.run for one in writers), *(one.run for one in readers)]
            working = [pool.submit(run) for run in runs]
            try:
                yield
            finally:
                stop.set()
                for number, publisher in publishers.items():
                    acknowledged, _ = publisher.communicate(timeout=PATIENCE)
                    self._published[number] = int(acknowledged or 0)
                    assert publisher.returncode == 0
            for client in working:
                client.result(PATIENCE)

    def _publisher(self, number: int) -> subprocess.Popen[str]:
        module = "tests.support.soak_publisher"
        command = [sys.executable, "-m", module, self._server.target, str(number), str(PUBLISHING_PAUSE)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _rest(self) -> tuple[int, int]:
        """File descriptors and threads of the service, once it has noticed that its clients have gone."""
        process = Path(f"/proc/{self._server.pid}")
        known: list[tuple[int, int]] = []

        def is_steady() -> bool:
            time.sleep(0.05)
            now = len(os.listdir(process / "fd")), len(os.listdir(process / "task"))  # noqa: PTH208 - only counted
            known.append(now)
            return len(known) > 20 and len(set(known[-20:])) == 1

        eventually(is_steady, PATIENCE)
        return known[-1]

    def _check_events(self, last: int, subscriber: Subscriber, consumer: DurableConsumer) -> None:
        self.report.messages = sum(self._published.values())
        self.report.events = last
        self.report.repeated_to_consumer = consumer.repeated
        self.report.clients = self._tally.counts()
        # Each acknowledged change is one event, and there are no others: nothing is lost, nothing is there twice.
        assert last == self.report.messages + self._tally.changes
        assert subscriber.sequences == list(range(1, last + 1))
        assert consumer.handled == set(range(1, last + 1))

    def _check_tasks(self) -> None:
        names = Counter(
            f"p{number}-{batch}-{index}"
            for number, count in self._published.items()
            for batch in range(count // MESSAGES)
            for index in range(MESSAGES)
        )
        with opened(lmdb_address(self._server.data_dir)) as store:
            found = map(bson.decode, store.records.find(Collection.TASKS, parse_query({})))
            assert Counter(record.get("activity_id") or record["task_id"] for record in found) == names

    def _check_versions(self) -> None:
        with grpc.insecure_channel(self._server.target) as channel:
            blobs = Blobs(channel)
            for writer in self._writers:
                latest = len(writer.digests) - 1
                self.report.versions += len(writer.digests)
                assert blobs.object(writer.kept).version == latest
                for version, digest in enumerate(writer.digests):
                    held = blobs.object(writer.kept, version=version)
                    assert held.data_sha256 == digest
                    assert held.prev_version == max(0, version - 1)
                if writer.latest is None:
                    assert blobs.failing(lambda: blobs.object(writer.plain)).reason == "OBJECT_NOT_FOUND"  # noqa: B023
                else:
                    assert blobs.object(writer.plain).data_sha256 == writer.latest

    def _check_rest(self) -> None:
        """Nothing is left behind: no descriptor, no thread, and after the sweeps no byte that no version has."""
        (files, threads), (more_files, more_threads) = self.report.at_rest
        assert more_files <= files + 2, self.report.at_rest
        assert more_threads <= threads + SPARE_THREADS, self.report.at_rest

        def is_swept() -> bool:
            done = run_command("check", "--data-dir", str(self._server.data_dir), "--json")
            held = done.json
            assert not held["damage"], done.out
            return not held["findings"] and held["checked"]["staged_uploads"] == 0

        eventually(is_swept, PATIENCE)

    def _check_store(self, data_dir: Path) -> None:
        done = run_command("check", "--data-dir", str(data_dir), "--json")
        assert (done.code, done.json["findings"]) == (0, []), done.out
        self.report.checked = done.json["checked"]


def _pass(seconds: float) -> None:
    """Let the clients work for so long: here, time is what is asked for."""
    time.sleep(seconds)


def main() -> None:
    """Soak, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to kill  [10]")
    parser.add_argument("--kill-every", type=float, default=30.0, help="seconds between two kills  [30]")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        plan = Plan(given.minutes * 60, given.kill_every, seed=given.seed)
        print(json.dumps(asdict(Soak(Path(directory), plan).run()), indent=2))  # noqa: T201 - the report


if __name__ == "__main__":
    main()
