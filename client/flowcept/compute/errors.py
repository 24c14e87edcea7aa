"""What can go wrong with artifacts and cluster memory, in the tree of ``flowcept.errors``."""

from __future__ import annotations

from flowcept.errors import AlreadyExistsError, NotFoundError, PreconditionError


class ArtifactNotFoundError(NotFoundError, FileNotFoundError):
    """There is no such artifact, or no such file in it."""


class ArtifactExistsError(AlreadyExistsError, FileExistsError):
    """The artifact, or the file in it, was to be new and exists."""


class KeyNotFoundError(NotFoundError, KeyError):
    """Nothing is kept under this key."""


class ClusterMemoryError(PreconditionError):
    """The memory cannot keep the value: it is full, away, or not made for values of this type."""
