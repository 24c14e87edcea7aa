"""Finding and making artifacts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from flowcept.compute.artifacts._artifact import Artifact
from flowcept.compute.artifacts._place import Place, artifact_names, check_name
from flowcept.compute.errors import ArtifactExistsError, ArtifactNotFoundError
from flowcept.db import DBAPI, default_db
from flowcept.errors import AlreadyExistsError


def new_artifact(name: str, namespace: str = "default", *, db: DBAPI | None = None) -> Artifact:
    """Make an artifact, without files.

    Args:
        name: Its name: letters, digits, ``_``, ``-`` and ``.``.
        namespace: What the name is unique within.
        db: The service that keeps it; ``Flowcept.db`` when not given.

    Raises:
        ArtifactExistsError: There is one of this name.
        InvalidArgumentError: A name is not valid.
    """
    place = _place(name, namespace, db)
    try:
        place.make()
    except AlreadyExistsError as error:
        raise ArtifactExistsError(
            f"there is an artifact {name!r} in namespace {namespace!r} already; get_artifact() opens it",
            object_id=place.path,
        ) from error
    return Artifact(place)


def get_artifact(name: str, namespace: str = "default", *, create: bool = False, db: DBAPI | None = None) -> Artifact:
    """An artifact that exists.

    Args:
        name: Its name.
        namespace: What the name is unique within.
        create: Make it if it does not exist.
        db: The service that keeps it; ``Flowcept.db`` when not given.

    Raises:
        ArtifactNotFoundError: There is none.
        InvalidArgumentError: A name is not valid.
    """
    artifact = Artifact(_place(name, namespace, db))
    if artifact.exists:
        return artifact
    if not create:
        raise ArtifactNotFoundError(
            f"there is no artifact {name!r} in namespace {namespace!r}; list_artifacts() names those that there are, "
            "and new_artifact() makes one",
            object_id=artifact.path,
        )
    try:
        return new_artifact(name, namespace, db=db)
    except ArtifactExistsError:
        return artifact  # made by another program since


@contextmanager
def fill_artifact(name: str, namespace: str = "default", *, db: DBAPI | None = None) -> Iterator[Artifact]:
    """An artifact to fill in a ``with`` block, which makes it at its end if there is none.

    A block that fails makes no artifact and deletes nothing: another program may have filled it meanwhile.

    Args:
        name: Its name.
        namespace: What the name is unique within.
        db: The service that keeps it; ``Flowcept.db`` when not given.

    Raises:
        InvalidArgumentError: A name is not valid.
    """
    place = replace(_place(name, namespace, db), unmade=True)
    yield Artifact(place)
    with suppress(AlreadyExistsError):
        place.make()


def list_artifacts(namespace: str = "default", *, db: DBAPI | None = None) -> list[Artifact]:
    """The artifacts of a namespace, by their names."""
    service = db or default_db()
    return [
        Artifact(Place(service, namespace, name))
        for name in artifact_names(service, check_name("namespace", namespace))
    ]


def artifact_exists(name: str, namespace: str = "default", *, db: DBAPI | None = None) -> bool:
    """Whether there is such an artifact."""
    return Artifact(_place(name, namespace, db)).exists


def _place(name: str, namespace: str, db: DBAPI | None) -> Place:
    return Place(db or default_db(), check_name("namespace", namespace), check_name("artifact name", name))
