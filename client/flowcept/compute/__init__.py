"""Handing Python objects from one stage of a workflow to the next.

Three layers, as in Flowdapt's documentation; their import paths there (``flowdapt.compute...``) work too:

- :mod:`flowcept.compute.object_store`: ``put``, ``get``, ``delete`` by a name. Quick memory where there is some, else
  the service.
- :mod:`flowcept.compute.cluster_memory`: memory that the workers of a cluster, or the processes on one machine, share;
  quick, and kept until the cluster ends or the machine restarts.
- :mod:`flowcept.compute.artifacts`: named containers of files, kept by the service.
"""
