"""The object store of a Ray cluster."""

from __future__ import annotations

from typing import Any, Final

import ray
from ray.exceptions import RayError

from flowcept.compute.cluster_memory._base import ClusterMemory, Name, no_such_key
from flowcept.compute.errors import ClusterMemoryError
from flowcept.errors import shorten

_NAME: Final = "flowcept-cluster-memory"


class _Directory:
    """Knows where values are. An actor: it lives as long as the cluster, and owns the values, so that they do too."""

    def __init__(self) -> None:
        self._references: dict[Name, Any] = {}

    def put(self, name: Name, value: Any) -> None:
        # Anew: what a worker has put ends with the worker.
        self._references[name] = ray.put(value)

    def get(self, name: Name) -> list[Any] | None:
        # In a list, for Ray would give the value instead of the reference.
        return [self._references[name]] if name in self._references else None

    def delete(self, name: Name) -> bool:
        return self._references.pop(name, None) is not None

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

    def _put(self, name: Name, value: Any) -> None:
        try:
            ray.get(self._directory.put.remote(name, value))
        except (RayError, TypeError, AttributeError, RecursionError) as error:
            raise ClusterMemoryError(
                f"Ray cannot keep {shorten(name[1])}, of type {type(value).__name__}: {shorten(str(error), 200)}",
                field="value",
            ) from error

    def _get(self, name: Name) -> Any:
        found = self._ask("get", name)
        if found is None:
            raise no_such_key(name)
        try:
            return ray.get(found[0])
        except RayError as error:
            raise _away(error) from error

    def _delete(self, name: Name) -> None:
        if not self._ask("delete", name):
            raise no_such_key(name)

    def _exists(self, name: Name) -> bool:
        return self._ask("get", name) is not None

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
