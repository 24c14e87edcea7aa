"""Queries that MongoDB evaluates, within a budget: a server that is still looking is told to stop."""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import closing, suppress
from typing import Any, Final, Protocol, cast

from pymongo.client_session import ClientSession
from pymongo.errors import ExecutionTimeout, PyMongoError

from flowcept_service.query import QueryBudget
from flowcept_service.storage.mongodb._client import Client

CHECK_SECONDS: Final = 0.25
"""How often the budget is asked while the server has nothing to say."""
_THREADS: Final = 1024
"""More than there are queries at the same time: a thread is made when one is needed."""
_LONGEST_MS: Final = 2**31 - 1


class Batches(Protocol):
    """A cursor over raw batches, of a find or of an aggregation."""

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
            CancelledError, ResourceExhaustedError: as ``budget`` says; the server's work has ended by then.
        """
        with self._client.start_session(causal_consistency=False) as session:
            if budget is None:
                with closing(open_cursor(session, None)) as cursor:
                    yield from cast("Generator[bytes, None, None]", cursor)
                return
            limit = max(1, int(min(budget.seconds_left * 1000, _LONGEST_MS)))
            cursor = self._await(self._threads.submit(open_cursor, session, limit), session, budget)
            # Not closed while a thread uses it: `_await` returns only when none does.
            with closing(cursor):
                while (batch := self._await(self._threads.submit(next, cursor, None), session, budget)) is not None:
                    yield cast("bytes", batch)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _await(self, answer: Future[Any], session: ClientSession, budget: QueryBudget) -> Any:
        try:
            while True:
                try:
                    return answer.result(CHECK_SECONDS)
                except NotYet:
                    budget.check()
        except ExecutionTimeout:
            raise budget.too_expensive() from None
        finally:
            if not answer.done():
                self._kill(session)
                # Failed by now, or about to: its cursor must not be used by two threads.
                answer.exception()

    def _kill(self, session: ClientSession) -> None:
        with suppress(PyMongoError):  # the server's own limit on the time of the query remains
            self._client.admin.command({"killSessions": [session.session_id]})
