"""Handing Python objects from one stage of a workflow to the next.

Three layers, as in Flowdapt's documentation, whose import paths (``flowdapt.compute...``) work too:

- :mod:`flowcept.compute.object_store`: ``put``, ``get``, ``delete`` by a name. Quick memory where there is some, else
  the service.
- :mod:`flowcept.compute.cluster_memory`: the memory that the workers of one cluster share; quick, and gone with it.
- :mod:`flowcept.compute.artifacts`: named containers of files, kept by the service.
"""
