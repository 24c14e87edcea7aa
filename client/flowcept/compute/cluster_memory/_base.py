"""What every cluster memory does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from flowcept.compute.errors import KeyNotFoundError
from flowcept.errors import shorten


class ClusterMemory(ABC):
    """Keeps Python objects for all workers of a cluster, until they are deleted or the cluster ends.

    What workers get is a copy of its own: changing it changes nothing for others. Putting replaces what is there, at
    once for everybody.
    """

    @abstractmethod
    def put(self, key: str, value: Any, *, namespace: str = "default") -> None:
        """Keep a value under a key, instead of the one that is there.

        Args:
            key: Its name.
            value: The value.
            namespace: What the name is unique within.

        Raises:
            ClusterMemoryError: This memory cannot keep it.
        """

    @abstractmethod
    def get(self, key: str, *, namespace: str = "default") -> Any:
        """The value under a key.

        Raises:
            KeyNotFoundError: There is none.
            ClusterMemoryError: The memory is away.
        """

    @abstractmethod
    def delete(self, key: str, *, namespace: str = "default") -> None:
        """Forget what is under a key.

        Raises:
            KeyNotFoundError: There is nothing.
            ClusterMemoryError: The memory is away.
        """

    @abstractmethod
    def exists(self, key: str, *, namespace: str = "default") -> bool:
        """Whether there is something under a key."""

    @abstractmethod
    def clear(self) -> None:
        """Forget everything, in all namespaces."""


def no_such_key(key: str, namespace: str) -> KeyNotFoundError:
    """The error for a key that nothing is under."""
    return KeyNotFoundError(
        f"cluster memory has nothing under {shorten(key)} in namespace {shorten(namespace)}; it may never have been "
        "put there, or the cluster was started anew since",
        field="key",
        value=shorten(key),
    )
