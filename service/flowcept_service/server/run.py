"""Running the service until a signal ends it."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import FrameType

import structlog

from flowcept.errors import InvalidArgumentError
from flowcept_service.config import ServiceSettings, misspelt_variables
from flowcept_service.server.allocator import keep_freed_memory
from flowcept_service.server.composition import compose
from flowcept_service.server.descriptors import allow_connections
from flowcept_service.server.service import Service
from flowcept_service.server.status import STATUS_FILE, StatusReporter

FORCED_EXIT_CODE = 130
"""Exit code after a second signal."""

SWITCH_SECONDS = 0.0005
"""How long a thread may compute while others want to."""

_log = structlog.get_logger(__name__)


def run(settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends the process at once.

    Raises:
        FlowceptError: The service cannot start; see ``compose``.
        InvalidArgumentError: The ready file cannot be written.
    """
    for given, meant in misspelt_variables().items():
        _log.warning("a variable of the environment is no setting", variable=given, meant=meant)
    kept = keep_freed_memory()
    # A thread that computes gives way to the others after so long: ten times as often as by default, because every
    # call passes through several threads, and would wait so long for each of them.
    sys.setswitchinterval(SWITCH_SECONDS)
    allow_connections(settings.connections.max_connections)
    _collect_seldom()
    # Signals are taken from here on, so that one during the start is not lost.
    signals = _catch_signals()
    service = compose(settings)
    service.start()
    # Announced last: who sees the ready file finds the status as well.
    with _reporting(service, settings), _announced(service, settings.ready_file):
        _log.info(
            "listening",
            address=service.target,
            **service.observation.ports,
            store=settings.store,
            data_dir=str(settings.data_dir.absolute()),
            memory_kept=kept,
        )
        name = _next_signal(signals)
        _log.info("draining", signal=name, grace_seconds=settings.drain_seconds)
        Thread(target=_end_at_second, args=(signals,), name="second-signal", daemon=True).start()
        ended = service.stop(settings.drain_seconds)
    _log.info("stopped")
    if not ended:
        # The interpreter would wait for threads that hang with the second store. What was acknowledged is durable.
        sys.stderr.flush()
        os._exit(0)


def _collect_seldom() -> None:
    """Look for cycles of garbage seldom: documents have none, and whoever reads or writes makes thousands of them.

    What a batch of messages leaves until it is durable would be looked through again and again, at 3 % of the time of
    publishing.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@contextmanager
def _reporting(service: Service, settings: ServiceSettings) -> Iterator[None]:
    """The status file, where there is a place for it: a service without an embedded store has no directory."""
    file = settings.status_file
    if file is None and "lmdb" in settings.stores:
        file = settings.data_dir / STATUS_FILE
    if file is None:
        yield
        return
    reporter = StatusReporter(file, service.status.snapshot)
    reporter.start()
    try:
        yield
    finally:
        reporter.stop()


def _catch_signals() -> int:
    """A file descriptor where the signals that ask for the end arrive, in their order. For the main thread only.

    To wait for a handler would not do: Python runs it in the main thread, which a signal does not wake when it comes
    just before the wait, or to another thread. The pipe stays open for as long as the process lives.
    """
    arriving, caught = os.pipe()
    os.set_blocking(caught, False)
    signal.set_wakeup_fd(caught)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave_it_to_the_pipe)
    return arriving


def _leave_it_to_the_pipe(number: int, frame: FrameType | None) -> None:
    """Only signals with a handler reach the pipe."""


def _next_signal(signals: int) -> str:
    """The name of the next signal; waits for it."""
    return signal.Signals(os.read(signals, 1)[0]).name


def _end_at_second(signals: int) -> None:
    name = _next_signal(signals)
    _log.warning("ended at once", signal=name)
    # Not sys.exit: threads that do not end are the reason for the second signal. What was acknowledged is durable.
    os._exit(FORCED_EXIT_CODE)


@contextmanager
def _announced(service: Service, ready_file: Path | None) -> Iterator[None]:
    """The ready file, from now on until the end; written atomically, so that who sees it can read it."""
    if ready_file is None:
        yield
        return
    content = {"address": service.target, "port": service.port, **service.observation.ports, "pid": os.getpid()}
    draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}.tmp")
    try:
        draft.write_text(json.dumps(content) + "\n", encoding="utf-8")
        draft.replace(ready_file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        service.stop(0)
        raise InvalidArgumentError(
            f"the ready file {ready_file} cannot be written: {error.strerror}; give a file in a directory that this "
            "user may write to",
            field="ready_file",
        ) from error
    try:
        yield
    finally:
        ready_file.unlink(missing_ok=True)
