"""The one thread that writes to an environment, committing what waits together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import lmdb

from flowcept_service.storage.grouping import GroupLimits, GroupQueue, Waiting
from flowcept_service.storage.lmdb._environment.environment import Environment
from flowcept_service.storage.lmdb._environment.errors import storage_closed, translate
from flowcept_service.storage.lmdb._environment.settings import LmdbSettings
from flowcept_service.storage.lmdb._environment.transaction import WriteTransaction
from flowcept_service.storage.observer import StoreObserver, Unobserved

T = TypeVar("T")
Operation = Callable[[WriteTransaction], Any]
Settled = tuple[Waiting[Operation], Any, Exception | None]
"""An operation, with what it returned or why it failed."""


class CommitListener(Protocol):
    """Takes part in every transaction of a writer, in the writer's thread."""

    def begin(self) -> None:
        """A transaction begins; what an earlier one left unfinished never happened."""
        ...

    def finish(self, txn: WriteTransaction) -> None:
        """All operations have run; the commit comes next."""
        ...

    def committed(self) -> None:
        """The commit is durable; no caller has been told yet."""
        ...


class GroupWriter:
    """Runs operations of all threads in one thread, and commits those that wait in one transaction.

    An operation may run more than once, in another transaction each time. One that fails is reported to its caller
    alone: before its first write nothing has to be undone; after it, or when the commit itself fails, the transaction
    is given up and each operation runs again in a transaction of its own, so that only the culprit fails.

    Args:
        environment: What is written to.
        settings: How changes are collected.
        listener: Takes part in every transaction, or None.
        observer: Told of what was committed.
        begin: Called in the thread before all else.
    """

    def __init__(
        self,
        environment: Environment,
        settings: LmdbSettings,
        listener: CommitListener | None = None,
        observer: StoreObserver | None = None,
        begin: Callable[[], None] | None = None,
    ) -> None:
        self._environment = environment
        self._listener = listener
        self.queue: GroupQueue[Operation] = GroupQueue(
            self._commit,
            GroupLimits(settings.flush_interval, settings.flush_size, settings.commit_bytes),
            lambda: storage_closed(environment.directory),
            environment.role,
            (observer or Unobserved()).settled,
            begin=begin,
        )

    def submit(self, operation: Callable[[WriteTransaction], T], *, changes: int = 1, size: int = 0) -> T:
        """Run an operation and wait until it is durable.

        Args:
            operation: Reads and writes through the transaction that it is given, and nowhere else.
            changes: How many changes it makes, for the flush size.
            size: About how many bytes it writes, for the size of a commit.

        Returns:
            What the operation returned.

        Raises:
            UnavailableError: STORAGE_UNAVAILABLE, after ``close``.
            ResourceExhaustedError: STORAGE_FULL.
        """
        result: T = self.queue.submit(operation, changes=changes, size=size)
        return result

    def close(self) -> None:
        """Finish what waits, then stop. Calling it again does nothing."""
        self.queue.close()

    def _commit(self, group: list[Waiting[Operation]]) -> None:
        try:
            settled = self._attempt(group)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to a caller and must not end the thread
            if len(group) == 1:
                group[0].promise.set_exception(self._translated(error))
                return
            for waiting in group:
                self._commit([waiting])
            return
        for waiting, value, failure in settled:
            if failure is None:
                waiting.promise.set_result(value)
            else:
                waiting.promise.set_exception(self._translated(failure))

    def _attempt(self, group: list[Waiting[Operation]]) -> list[Settled]:
        """Run and commit a group; raises when the transaction had to be given up."""
        while True:
            try:
                return self._transact(group)
            except lmdb.MapFullError:
                self._environment.grow()

    def _transact(self, group: list[Waiting[Operation]]) -> list[Settled]:
        settled: list[Settled] = []
        txn = self._environment.begin_write()
        try:
            shared = WriteTransaction(txn)
            if self._listener is not None:
                self._listener.begin()
            for waiting in group:
                written_before, shared.written = shared.written, False
                try:
                    settled.append((waiting, waiting.operation(shared), None))
                except lmdb.Error:
                    raise  # the transaction cannot go on
                except Exception as error:
                    if shared.written:
                        raise
                    settled.append((waiting, None, error))
                shared.written = shared.written or written_before
            if self._listener is not None:
                self._listener.finish(shared)
            if not shared.written:
                txn.abort()
                return settled
            txn.commit()
        except BaseException:
            txn.abort()
            raise
        if self._listener is not None:
            self._listener.committed()
        return settled

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, lmdb.Error):
            translated = translate(error, self._environment.directory)
            translated.__cause__ = error
            return translated
        return error
