"""Which memory the program has."""

from __future__ import annotations

import sys
from typing import Final

from flowcept.compute.cluster_memory._base import ClusterMemory
from flowcept.errors import InvalidArgumentError, shorten

BACKENDS: Final = ("local", "ray", "dask")
"""The memories that there are."""


def get_cluster_memory(backend: str | None = None) -> ClusterMemory:
    """The memory that this program shares with the other workers of its cluster.

    Args:
        backend: ``ray``, ``dask`` or ``local``. Not given: Ray's, where ``ray.init()`` was called or this is a worker
            of Ray's; else Dask's, where there is a client or this is a worker of Dask's; else that of this machine.

    Raises:
        InvalidArgumentError: There is no such backend.
        ClusterMemoryError: There is no such cluster.
        ModuleNotFoundError: The backend is not installed; the message says how to.
    """
    chosen = _surrounding() if backend is None else backend
    # Imported where it is chosen: the others need not be installed.
    if chosen == "local":
        from flowcept.compute.cluster_memory._local import LocalClusterMemory, memory_directory

        return LocalClusterMemory(memory_directory())
    if chosen == "ray":
        try:
            from flowcept.compute.cluster_memory._ray import RayClusterMemory
        except ModuleNotFoundError as error:
            raise _not_installed("ray") from error
        return RayClusterMemory()
    if chosen == "dask":
        try:
            from flowcept.compute.cluster_memory._dask import DaskClusterMemory
        except ModuleNotFoundError as error:
            raise _not_installed("dask") from error
        return DaskClusterMemory()
    raise InvalidArgumentError(
        f"backend is {shorten(backend)}; use one of {', '.join(BACKENDS)}", field="backend", value=shorten(backend)
    )


def _surrounding() -> str:
    # A program that has not imported them is in none of their clusters.
    ray, distributed = sys.modules.get("ray"), sys.modules.get("distributed")
    if ray is not None and ray.is_initialized():
        return "ray"
    if distributed is not None:
        try:
            distributed.get_client()
        except ValueError:
            return "local"
        return "dask"
    return "local"


def _not_installed(name: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(
        f"Cluster memory of {name} needs it installed: pip install 'flowcept-service[{name}]'.", name=name
    )
