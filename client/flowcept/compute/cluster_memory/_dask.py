"""The memory of the workers of a Dask cluster."""

from __future__ import annotations

from typing import Any, Final

import distributed
from dask.base import is_dask_collection

from flowcept.compute.cluster_memory._base import ClusterMemory, Name, no_such_key
from flowcept.compute.errors import ClusterMemoryError
from flowcept.errors import shorten

_PREFIX: Final = "flowcept"


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

    def _put(self, name: Name, value: Any) -> None:
        if not is_dask_collection(value):
            raise ClusterMemoryError(
                f"Dask's cluster memory keeps Dask collections, and {shorten(name[1])} is of type "
                f"{type(value).__name__}; use an artifact, or Ray",
                field="value",
            )
        self._client.publish_dataset(value.persist(), name=(_PREFIX, *name), override=True)

    def _get(self, name: Name) -> Any:
        try:
            return self._client.get_dataset((_PREFIX, *name))
        except KeyError:
            raise no_such_key(name) from None

    def _delete(self, name: Name) -> None:
        if not self._exists(name):
            raise no_such_key(name)
        self._client.unpublish_dataset((_PREFIX, *name))

    def _exists(self, name: Name) -> bool:
        return (_PREFIX, *name) in self._published()

    def clear(self) -> None:
        """See ``ClusterMemory.clear``."""
        for published in self._published():
            if isinstance(published, tuple) and published[:1] == (_PREFIX,):
                self._client.unpublish_dataset(published)

    def _published(self) -> tuple[object, ...]:
        """What is published, by others too."""
        names: tuple[object, ...] = self._client.list_datasets()
        return names
