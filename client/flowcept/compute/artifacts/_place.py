"""Where artifacts and their files are among the service's objects, and changes that are carried out later."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Unpack

from flowcept.checks import text
from flowcept.compute.errors import ArtifactNotFoundError
from flowcept.db import DBAPI, BlobObject, SaveConditions
from flowcept.errors import InvalidArgumentError, NotFoundError, PreconditionError, shorten

TYPE: Final = "artifact"
METADATA_FILE: Final = ".artifact.json"
"""The file that makes an artifact exist; it holds the metadata."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")


def check_name(what: str, name: str) -> str:
    """A name of an artifact or namespace, if it is one.

    Raises:
        InvalidArgumentError: It is not.
    """
    if not _NAME.fullmatch(text(what, name)):
        raise InvalidArgumentError(
            f"{what} is {shorten(name)}; use letters, digits, '_', '-' and '.', and begin with none of the last two",
            field=what,
            value=shorten(name),
        )
    return name


def check_file_name(name: str) -> str:
    """A name of a file, if it is one.

    Raises:
        InvalidArgumentError: It is not.
    """
    if not text("file name", name) or "\0" in name:
        raise InvalidArgumentError(
            f"file name is {shorten(name)}; it must not be empty, nor contain NUL",
            field="file name",
            value=shorten(name),
        )
    return name


class Changes:
    """Carries out changes at once, or together at the end of a transaction."""

    def __init__(self) -> None:
        self._deferred: list[tuple[Callable[[], object], Callable[[], object]]] | None = None

    def make(self, change: Callable[[], object], discard: Callable[[], object] = lambda: None) -> None:
        """Carry out a change, now or later.

        Args:
            change: What to do.
            discard: Lets go of what the change holds, where it is never carried out.
        """
        if self._deferred is None:
            change()
        else:
            self._deferred.append((change, discard))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Carry out the changes of the block at its end, in their order; none of them if the block fails."""
        if self._deferred is not None:
            raise PreconditionError("a transaction of this artifact is open already; they cannot be nested")
        deferred = self._deferred = []
        try:
            yield
        except BaseException:
            for _, discard in deferred:
                discard()
            raise
        finally:
            self._deferred = None
        for change, _ in deferred:
            change()


@dataclass(frozen=True, slots=True)
class Place:
    """One artifact among the objects of a service: each file is one object."""

    db: DBAPI
    """The service."""
    namespace: str
    """What the artifact's name is unique within."""
    name: str
    """The artifact."""
    changes: Changes = field(default_factory=Changes, compare=False)
    """Carries out what is asked for."""
    unmade: bool = False
    """Whether files may be saved before the artifact is made."""

    @property
    def path(self) -> str:
        """What the identifiers of the files begin with."""
        return f"artifacts/{self.namespace}/{self.name}"

    def find(self, file: str) -> BlobObject | None:
        """The latest version of a file, or None."""
        try:
            return self.db.get_blob_object(f"{self.path}/{file}")
        except NotFoundError:
            return None

    def has(self, file: str) -> bool:
        """Whether there is such a file; none of its bytes is fetched."""
        try:
            self.db.get_blob_fingerprint(f"{self.path}/{file}")
        except NotFoundError:
            return False
        return True

    def save(
        self,
        file: str,
        content: Any,
        attributes: Mapping[str, Any] | None = None,
        *,
        is_text: bool = False,
        **conditions: Unpack[SaveConditions],
    ) -> None:
        """Save a file.

        Args:
            file: Its name.
            content: A string, or all that ``save_or_update_object`` takes.
            attributes: What to keep with the content.
            is_text: Whether other content than a string is text too, in UTF-8.
            **conditions: Those of ``save_or_update_object``.
        """
        is_string = isinstance(content, str)
        metadata = {
            "namespace": self.namespace,
            "artifact": self.name,
            "file": file,
            "text": is_text or is_string,
            "attributes": dict(attributes or {}),
        }
        self.db.save_or_update_object(
            content.encode() if is_string else content,
            object_id=f"{self.path}/{file}",
            type=TYPE,
            custom_metadata=metadata,
            **conditions,
        )

    def make(self) -> None:
        """Make the artifact, without metadata.

        Raises:
            AlreadyExistsError: It is there.
        """
        self.save(METADATA_FILE, b"{}", must_not_exist=True)

    def delete(self, file: str) -> None:
        """Delete a file; one that is gone already is fine."""
        try:
            self.db.delete_object(f"{self.path}/{file}")
        except NotFoundError:
            return

    def files(self) -> list[str]:
        """Names of the files, in order, without that of the metadata."""
        wanted = {
            "type": TYPE,
            "custom_metadata.namespace": self.namespace,
            "custom_metadata.artifact": self.name,
            "custom_metadata.file": {"$ne": METADATA_FILE},
        }
        found = self.db.query(filter=wanted, projection=["custom_metadata.file"], collection="objects")
        return sorted(document["custom_metadata"]["file"] for document in found)


def no_such_file(place: Place, file: str) -> ArtifactNotFoundError:
    """The error for a file that an artifact does not have."""
    return ArtifactNotFoundError(
        f"artifact {place.name!r} of namespace {place.namespace!r} has no file {shorten(file)}; list_files() names "
        "those that it has, and get_file() with create=True makes one",
        object_id=f"{place.path}/{file}",
    )


def artifact_names(db: DBAPI, namespace: str) -> list[str]:
    """Names of the artifacts of a namespace, in order."""
    wanted = {"type": TYPE, "custom_metadata.namespace": namespace, "custom_metadata.file": METADATA_FILE}
    found = db.query(filter=wanted, projection=["custom_metadata.artifact"], collection="objects")
    return sorted(document["custom_metadata"]["artifact"] for document in found)
