"""Queries that MongoDB evaluates, within a budget: a server that is still looking is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import Any, Final, Protocol, cast

from pymongo.client_session import ClientSession
from pymongo.errors import ExecutionTimeout, PyMongoError

from flowcept_service.query import QueryBudget
from flowcept_service.storage.mongodb._connection.client import Client

CHECK_SECONDS: Final = 0.25
"""How often the budget is asked while the server has nothing to say."""
_THREADS: Final = 1024
"""More than there are queries at the same time: a thread is made when one is needed."""
_LONGEST_MS: Final = 2**31 - 1


class Batches(Protocol):
    """A cursor over raw batches, of a find or of an aggregation."""

    @property
    def alive(self) -> bool: ...
    def __next__(self) -> Any: ...
    def close(self) -> None: ...


Open = Callable[[ClientSession, int | None], Batches]
"""Opens a cursor in a session, for at most so many milliseconds of the server's time."""


class Scans:
    """Iterates over cursors in threads of its own, so that the thread of the query can give up.

    Args:
        client: The connection.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="mongodb-query")

    def batches(self, open_cursor: Open, budget: QueryBudget | None) -> Generator[bytes, None, None]:
        """The raw batches of a cursor. Errors of the driver are not translated.

        Raises:
            CancelledError, ResourceExhaustedError: as ``budget`` says; the server was told to end its work.
        """
        with ExitStack() as resources:
            session = resources.enter_context(self._client.start_session(causal_consistency=False))
            if budget is None:
                cursor = resources.enter_context(closing(open_cursor(session, None)))
                yield from cast("Generator[bytes, None, None]", cursor)
                return
            limit = max(1, int(min(budget.seconds_left * 1000, _LONGEST_MS)))
            scan = _Scan(partial(open_cursor, session, limit))
            resources.callback(scan.close)
            work: Future[bytes | None] | None = None
            try:
                # What one batch holds costs one change of threads: each takes as long as a small query does.
                while scan.goes_on:
                    work = self._threads.submit(scan.next)
                    batch = _awaited(work, budget)
                    if batch is not None:
                        yield batch
            finally:
                if work is not None and not work.done():
                    self._kill(session)
                    # A thread still uses them, until the server has noticed; that may take it a while.
                    used = resources.pop_all()
                    work.add_done_callback(lambda _: used.close())

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _kill(self, session: ClientSession) -> None:
        with suppress(PyMongoError):  # the server's own limit on the time of the query remains
            self._client.admin.command({"killSessions": [session.session_id]})


class _Scan:
    """A cursor that is opened by the thread that first waits for the server."""

    def __init__(self, open_cursor: Callable[[], Batches]) -> None:
        self._open = open_cursor
        self._cursor: Batches | None = None

    @property
    def goes_on(self) -> bool:
        """Whether there may be another batch."""
        return self._cursor is None or self._cursor.alive

    def next(self) -> bytes | None:
        """The next batch; None behind the last."""
        if self._cursor is None:
            self._cursor = self._open()
        return next(self._cursor, None)

    def close(self) -> None:
        """Let go of the cursor, on the server too."""
        if self._cursor is not None:
            self._cursor.close()


def _awaited(work: Future[bytes | None], budget: QueryBudget) -> bytes | None:
    """What a thread finds out, as long as the budget allows to wait for it."""
    try:
        while True:
            try:
                return work.result(CHECK_SECONDS)
            except NotYet:
                if work.done():  # it was the work itself that ran into a timeout of its own
                    raise
                budget.check()
    except ExecutionTimeout:
        raise budget.too_expensive() from None
