"""Real services for tests: in this process, or as a process that may be killed and restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from flowcept_service.config import LogOptions, ServiceSettings
from flowcept_service.server.composition import compose
from flowcept_service.server.logs import configure_logging
from flowcept_service.server.service import Service
from tests.support.conditions import PATIENCE, eventually
from tests.support.ports import ReservedPort


@contextmanager
def service_in_process(data_dir: Path, **settings: Any) -> Iterator[Service]:
    """A service in this process, on a free port of the loopback interface; `service.target` is its address.

    Args:
        data_dir: Directory of its store.
        **settings: Fields of `ServiceSettings`; groups as mappings (`limits={"max_uploads": 2}`).
    """
    configure_logging(LogOptions(level="error", format="console"))
    # Who moves threads between CPUs takes those of the whole process for its own.
    given: dict[str, Any] = {"listen": "127.0.0.1:0", "data_dir": data_dir, "one_cpu": False, **settings}
    service = compose(ServiceSettings.load(environ={}, **given))
    service.start()
    try:
        yield service
    finally:
        service.stop(grace=0.0)


class ServerProcess:
    """`flowcept-service serve` as a process of its own, on a data directory and port that survive restarts.

    Args:
        directory: Where its store, its ready file and its log are kept.
        arguments: Further arguments of `serve`.
        environ: Further environment variables (`FLOWCEPT_SERVICE_...`).
        data_dir: Directory of its store, when it is to be elsewhere.
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
    ) -> None:
        self.directory = directory
        self.data_dir = data_dir or directory / "data"
        self.log = directory / "server.log"
        self._ready = directory / "ready.json"
        self._arguments = arguments
        self._environ = {**os.environ, **(environ or {})}
        self._port = ReservedPort()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def target(self) -> str:
        """The address for clients; the same after a restart."""
        return f"127.0.0.1:{self._port.number}"

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._running().pid

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "flowcept_service", "serve", "--listen", self.target, "--data-dir"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self.data_dir), "--ready-file", str(self._ready), *self._arguments],
                env=self._environ,
                stdout=log,
                stderr=log,
            )
        process = self._process
        eventually(lambda: self._ready.exists() or process.poll() is not None)
        assert process.poll() is None, f"the service did not start:\n{self.log.read_text()}"

    def kill(self) -> None:
        """SIGKILL: nothing of what it was about to do happens."""
        process = self._running()
        process.kill()
        process.wait()

    def restart(self) -> None:
        """SIGKILL, then start again."""
        self.kill()
        self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._running().send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait until it has ended; its exit code."""
        return self._running().wait(timeout)

    def memory_bytes(self) -> int:
        """Resident memory now."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise AssertionError("the service was not started")
        return self._process
