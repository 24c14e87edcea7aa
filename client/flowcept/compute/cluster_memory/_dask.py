"""The memory of the workers of a Dask cluster."""

from __future__ import annotations

from typing import Any, Final

import distributed
from dask.base import is_dask_collection

from flowcept.compute.cluster_memory._base import ClusterMemory, no_such_key
from flowcept.compute.errors import ClusterMemoryError
from flowcept.errors import shorten

_PREFIX: Final = "flowcept"
_Name = tuple[str, str, str]


class DaskClusterMemory(ClusterMemory):
    """Keeps Dask's own collections (data frames, arrays, bags), computed, in the memory of its workers.

    Dask has no place for other values that outlives the client which put them there.

    Raises:
        ClusterMemoryError: There is neither a Dask client nor is this a worker of Dask's.
    """

    def __init__(self) -> None:
        try:
            self._client = distributed.get_client()
        except ValueError as error:
            raise ClusterMemoryError("this program is in no Dask cluster; make a distributed.Client first") from error

    def put(self, key: str, value: Any, *, namespace: str = "default") -> None:
        """See ``ClusterMemory.put``."""
        if not is_dask_collection(value):
            raise ClusterMemoryError(
                f"Dask's cluster memory keeps Dask collections, and {shorten(key)} is of type {type(value).__name__}; "
                "use an artifact, or Ray",
                field="value",
            )
        self._client.publish_dataset(value.persist(), name=_name(key, namespace), override=True)

    def get(self, key: str, *, namespace: str = "default") -> Any:
        """See ``ClusterMemory.get``."""
        try:
            return self._client.get_dataset(_name(key, namespace))
        except KeyError:
            raise no_such_key(key, namespace) from None

    def delete(self, key: str, *, namespace: str = "default") -> None:
        """See ``ClusterMemory.delete``."""
        if not self.exists(key, namespace=namespace):
            raise no_such_key(key, namespace)
        self._client.unpublish_dataset(_name(key, namespace))

    def exists(self, key: str, *, namespace: str = "default") -> bool:
        """See ``ClusterMemory.exists``."""
        return _name(key, namespace) in self._names()

    def clear(self) -> None:
        """See ``ClusterMemory.clear``."""
        for name in self._names():
            if isinstance(name, tuple) and name[:1] == (_PREFIX,):
                self._client.unpublish_dataset(name)

    def _names(self) -> tuple[object, ...]:
        """What is published, by others too."""
        names: tuple[object, ...] = self._client.list_datasets()
        return names


def _name(key: str, namespace: str) -> _Name:
    return (_PREFIX, namespace, key)
