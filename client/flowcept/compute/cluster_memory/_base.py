"""What every cluster memory does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from flowcept.checks import text
from flowcept.compute.errors import KeyNotFoundError
from flowcept.errors import shorten

Name = tuple[str, str]
"""What a value is under: namespace and key."""


class ClusterMemory(ABC):
    """Keeps Python objects for all workers of a cluster, until they are deleted or the cluster (the machine) ends.

    What workers get is a copy of its own: changing it changes nothing for others. Putting replaces what is there, at
    once for everybody.
    """

    def put(self, key: str, value: Any, *, namespace: str = "default") -> None:
        """Keep a value under a key, instead of the one that is there.

        Args:
            key: Its name: any string.
            value: The value.
            namespace: What the name is unique within: any string.

        Raises:
            InvalidArgumentError: Key or namespace is no string.
            ClusterMemoryError: This memory cannot keep the value.
        """
        self._put(_name(key, namespace), value)

    def get(self, key: str, *, namespace: str = "default") -> Any:
        """The value under a key.

        Raises:
            KeyNotFoundError: There is none.
            InvalidArgumentError: Key or namespace is no string.
            ClusterMemoryError: The memory is away.
        """
        return self._get(_name(key, namespace))

    def delete(self, key: str, *, namespace: str = "default") -> None:
        """Forget what is under a key.

        Raises:
            KeyNotFoundError: There is nothing.
            InvalidArgumentError: Key or namespace is no string.
            ClusterMemoryError: The memory is away.
        """
        self._delete(_name(key, namespace))

    def exists(self, key: str, *, namespace: str = "default") -> bool:
        """Whether there is something under a key.

        Raises:
            InvalidArgumentError: Key or namespace is no string.
            ClusterMemoryError: The memory is away.
        """
        return self._exists(_name(key, namespace))

    @abstractmethod
    def clear(self) -> None:
        """Forget everything, in all namespaces."""

    @abstractmethod
    def _put(self, name: Name, value: Any) -> None:
        """See ``put``."""

    @abstractmethod
    def _get(self, name: Name) -> Any:
        """See ``get``."""

    @abstractmethod
    def _delete(self, name: Name) -> None:
        """See ``delete``."""

    @abstractmethod
    def _exists(self, name: Name) -> bool:
        """See ``exists``."""


def no_such_key(name: Name) -> KeyNotFoundError:
    """The error for a key that nothing is under."""
    namespace, key = name
    return KeyNotFoundError(
        f"cluster memory has nothing under {shorten(key)} in namespace {shorten(namespace)}; it may never have been "
        "put there, or the cluster was started anew since",
        field="key",
        value=shorten(key),
    )


def _name(key: str, namespace: str) -> Name:
    return text("namespace", namespace), text("key", key)
