"""Artifacts: named containers of files and metadata, kept by the service until they are deleted.

::

    from flowcept.compute.artifacts import get_artifact, new_artifact

    new_artifact("report").new_file("summary.txt", content="Hello, World!")
    print(get_artifact("report").get_file("summary.txt").read())
"""

from flowcept.compute.artifacts._artifact import Artifact
from flowcept.compute.artifacts._file import ArtifactFile
from flowcept.compute.artifacts._lookup import (
    artifact_exists,
    fill_artifact,
    get_artifact,
    list_artifacts,
    new_artifact,
)
from flowcept.compute.errors import ArtifactExistsError, ArtifactNotFoundError

__all__ = [
    "Artifact",
    "ArtifactExistsError",
    "ArtifactFile",
    "ArtifactNotFoundError",
    "artifact_exists",
    "fill_artifact",
    "get_artifact",
    "list_artifacts",
    "new_artifact",
]
