"""Appending to an upload while its bytes arrive: the store works on the last ones as the caller goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from flowcept_service.domain.objects import Staging

Append = Callable[[Staging, Sequence[bytes | memoryview], datetime], Staging]
"""``PayloadStore.append``."""


class Appender(Protocol):
    """Appends the bytes of one upload, for one thread. After an error of ``append`` or ``settle``, only ``close``."""

    @property
    def staging(self) -> Staging:
        """What is durable."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the upload that were taken; those that ``staging`` does not count may yet fail."""
        ...

    def append(self, data: Sequence[bytes | memoryview], now: datetime) -> None:
        """Take bytes at ``size``. Raises as ``PayloadStore.append``, perhaps for bytes that were taken earlier."""

    def settle(self) -> Staging:
        """Wait until all that was taken is durable; what then is. Raises as ``append``."""

    def close(self) -> None:
        """Wait until nothing is under way any more, whatever becomes of it."""


class StepwiseAppender:
    """For a store whose ``append`` leaves nothing to wait for: each step is durable when it returns.

    Args:
        append: Makes bytes durable.
        staging: What is staged at the beginning.
    """

    def __init__(self, append: Append, staging: Staging) -> None:
        self._append = append
        self._staging = staging

    @property
    def staging(self) -> Staging:
        """See ``Appender.staging``."""
        return self._staging

    @property
    def size(self) -> int:
        """See ``Appender.size``."""
        return self._staging.size

    def append(self, data: Sequence[bytes | memoryview], now: datetime) -> None:
        """See ``Appender.append``."""
        self._staging = self._append(self._staging, data, now)

    def settle(self) -> Staging:
        """See ``Appender.settle``."""
        return self._staging

    def close(self) -> None:
        """Nothing is under way."""
