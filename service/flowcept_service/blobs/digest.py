"""SHA-256 of payloads, computed beside their way into the store: hashing takes as long as writing, on another core."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Protocol

from flowcept_service.domain.objects import Staging
from flowcept_service.storage.contract import Chunk


def sha256_of(data: Sequence[Chunk]) -> str:
    """The digest of bytes in memory."""
    digest = hashlib.sha256()
    for piece in data:
        digest.update(piece)
    return digest.hexdigest()


class StagedDigest(Protocol):
    """The digest of an upload that is being staged."""

    def add(self, batch: Sequence[Chunk]) -> None:
        """These bytes are about to be staged."""
        ...

    def reached(self, staging: Staging) -> None:
        """Now they are."""
        ...

    def result(self) -> str:
        """The digest of everything so far, in hexadecimal; waits for it."""
        ...

    def close(self) -> None:
        """The digest is no longer wanted."""
        ...


class ArrivingDigest:
    """Of an upload that this call receives from its first byte: hashed from memory, one batch behind at most."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._digest = hashlib.sha256()
        self._pending: Future[None] | None = None

    def add(self, batch: Sequence[Chunk]) -> None:
        """See StagedDigest."""
        self._settle()
        self._pending = self._executor.submit(self._update, batch)

    def reached(self, staging: Staging) -> None:
        """Nothing: the bytes were hashed, or are being hashed, from memory."""

    def result(self) -> str:
        """See StagedDigest."""
        self._settle()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Nothing: at most one batch is being hashed."""

    def _settle(self) -> None:
        if self._pending is not None:
            self._pending.result()
            # Dropped, or the finished work would keep its batch in memory until the next one.
            self._pending = None

    def _update(self, batch: Sequence[Chunk]) -> None:
        for piece in batch:
            self._digest.update(piece)


class ResumedDigest:
    """Of an upload that goes on from earlier calls: hashed from the store, beside receiving, however far behind.

    Args:
        executor: Runs the hashing; it may take as long as reading all that is staged.
        read: Staged bytes from an offset on.
        staging: What is staged at the beginning.
    """

    def __init__(self, executor: Executor, read: Callable[[Staging, int], Iterator[bytes]], staging: Staging) -> None:
        self._executor = executor
        self._read = read
        self._digest = hashlib.sha256()
        self._position = 0
        self._latest = staging
        self._closed = False
        self._running: Future[None] = executor.submit(self._follow)

    def add(self, batch: Sequence[Chunk]) -> None:
        """Nothing: bytes are hashed once they are staged."""

    def reached(self, staging: Staging) -> None:
        """See StagedDigest."""
        self._latest = staging
        if self._running.done():
            self._running.result()  # what it failed with, if it did
            self._running = self._executor.submit(self._follow)

    def result(self) -> str:
        """See StagedDigest. Raises what reading the staged bytes raised."""
        self._running.result()
        self._follow()  # what was staged just when it ended
        return self._digest.hexdigest()

    def close(self) -> None:
        """See StagedDigest."""
        self._closed = True

    def _follow(self) -> None:
        """Hash up to what is staged by now, then up to what is staged by then, and so on."""
        while not self._closed and self._position < (staging := self._latest).size:
            for piece in self._read(staging, self._position):
                if self._closed:
                    return
                self._digest.update(piece)
                self._position += len(piece)
