"""Memory that the workers of one cluster share: quick, and kept until they are told to forget, or the cluster ends.

::

    from flowcept.compute.cluster_memory import get_cluster_memory

    get_cluster_memory().put("cities", ["St. Louis", "Moab", "Los Angeles"])

Which memory that is, the program's surroundings say: in a Ray cluster it is Ray's object store, with a Dask client it
is the memory of Dask's workers, and otherwise the memory of this machine, which stays until the machine restarts.
"""

from flowcept.compute.cluster_memory._base import ClusterMemory
from flowcept.compute.cluster_memory._choice import BACKENDS, get_cluster_memory
from flowcept.compute.errors import ClusterMemoryError, KeyNotFoundError

__all__ = ["BACKENDS", "ClusterMemory", "ClusterMemoryError", "KeyNotFoundError", "get_cluster_memory"]
