"""The object store of a Ray cluster."""

from __future__ import annotations

from typing import Any, Final

import ray
from ray.exceptions import RayError

from flowcept.compute.cluster_memory._base import ClusterMemory, no_such_key
from flowcept.compute.errors import ClusterMemoryError
from flowcept.errors import shorten

_NAME: Final = "flowcept-cluster-memory"
_Key = tuple[str, str]


class _Directory:
    """Knows where values are. An actor: it lives as long as the cluster, and owns the values, so that they do too."""

    def __init__(self) -> None:
        self._references: dict[_Key, Any] = {}

    def put(self, key: _Key, value: Any) -> None:
        # Anew: what a worker has put ends with the worker.
        self._references[key] = ray.put(value)

    def get(self, key: _Key) -> list[Any] | None:
        # In a list, for Ray would give the value instead of the reference.
        return [self._references[key]] if key in self._references else None

    def delete(self, key: _Key) -> bool:
        return self._references.pop(key, None) is not None

    def clear(self) -> None:
        self._references.clear()


class RayClusterMemory(ClusterMemory):
    """Keeps values of any type that can be pickled in Ray's object store, each once on the nodes that need it.

    Raises:
        ClusterMemoryError: ``ray.init()`` was not called, or the cluster does not answer.
    """

    def __init__(self) -> None:
        if not ray.is_initialized():
            raise ClusterMemoryError("this program is in no Ray cluster; call ray.init() first")
        try:
            # Any: how actors are called is made at run time.
            self._directory: Any = (
                ray.remote(_Directory)
                .options(name=_NAME, namespace="flowcept", lifetime="detached", get_if_exists=True, num_cpus=0)
                .remote()
            )
        except (RayError, ValueError) as error:
            raise _away(error) from error

    def put(self, key: str, value: Any, *, namespace: str = "default") -> None:
        """See ``ClusterMemory.put``."""
        try:
            ray.get(self._directory.put.remote((namespace, key), value))
        except (RayError, TypeError, AttributeError, RecursionError) as error:
            raise ClusterMemoryError(
                f"Ray cannot keep {shorten(key)}, of type {type(value).__name__}: {shorten(str(error), 200)}",
                field="value",
            ) from error

    def get(self, key: str, *, namespace: str = "default") -> Any:
        """See ``ClusterMemory.get``."""
        found = self._ask("get", (namespace, key))
        if found is None:
            raise no_such_key(key, namespace)
        try:
            return ray.get(found[0])
        except RayError as error:
            raise _away(error) from error

    def delete(self, key: str, *, namespace: str = "default") -> None:
        """See ``ClusterMemory.delete``."""
        if not self._ask("delete", (namespace, key)):
            raise no_such_key(key, namespace)

    def exists(self, key: str, *, namespace: str = "default") -> bool:
        """See ``ClusterMemory.exists``."""
        return self._ask("get", (namespace, key)) is not None

    def clear(self) -> None:
        """See ``ClusterMemory.clear``."""
        self._ask("clear")

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            return ray.get(getattr(self._directory, method).remote(*arguments))
        except RayError as error:
            raise _away(error) from error


def _away(error: Exception) -> ClusterMemoryError:
    return ClusterMemoryError(f"the Ray cluster does not answer: {shorten(str(error), 200)}")
